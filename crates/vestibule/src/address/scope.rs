use std::fmt;

/// The longest name of a network interface: the kernel's IFNAMSIZ without the ending zero.
const LONGEST: usize = 15;

/// The scope of an IPv6 address as text: an interface's name or number, or nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Scope {
    length: u8,
    text: [u8; LONGEST],
}

impl Scope {
    pub(crate) const NONE: Self = Self { length: 0, text: [0; LONGEST] };

    /// `None` when the text cannot name an interface: too long, or with blanks, control characters, `%` or `/`.
    pub(crate) fn new(text: &str) -> Option<Self> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'%' && byte != b'/') {
            return None;
        }
        let mut scope = Self::NONE;
        scope.text.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        scope.length = u8::try_from(text.len()).ok()?;
        Some(scope)
    }

    pub(crate) fn from_index(index: u32) -> Self {
        if index == 0 { Self::NONE } else { Self::new(&index.to_string()).unwrap_or(Self::NONE) }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        let text = self.text.get(..usize::from(self.length))?;
        std::str::from_utf8(text).ok().filter(|text| !text.is_empty())
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().fmt(f)
    }
}
