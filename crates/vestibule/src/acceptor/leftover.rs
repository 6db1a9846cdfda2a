/// What a draining server does with the clients that wait in the kernel's queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leftover {
    /// They are accepted and served.
    #[default]
    Serve,
    /// They are accepted and refused.
    Refuse,
}
