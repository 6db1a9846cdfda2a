use std::ops::Deref;
use std::rc::Rc;

/// A function that a signal calls.
pub(crate) enum Slot<F: ?Sized + 'static> {
    Counted(Rc<F>),
    /// One that captures nothing is the same for all, and takes no memory.
    Fixed(&'static F),
}

/// Whether a function captures nothing, and dropping it does nothing.
const fn is_fixed<C>() -> bool {
    size_of::<C>() == 0 && !std::mem::needs_drop::<C>()
}

/// Makes a slot of a closure: `slot!(closure)`, as a `dyn Fn` of the type that the place wants.
macro_rules! slot {
    ($closure:expr) => {
        match crate::signal::fixed($closure) {
            Ok(fixed) => crate::signal::Slot::Fixed(fixed),
            Err(closure) => crate::signal::Slot::Counted(std::rc::Rc::new(closure)),
        }
    };
}

pub(crate) use slot;

/// The closure as one that is the same for all, if it is.
pub(crate) fn fixed<C: 'static>(closure: C) -> Result<&'static C, C> {
    // A box of nothing takes no memory, so nothing is lost by forgetting it.
    if is_fixed::<C>() { Ok(Box::leak(Box::new(closure))) } else { Err(closure) }
}

impl<F: ?Sized> Clone for Slot<F> {
    fn clone(&self) -> Self {
        match self {
            Self::Counted(call) => Self::Counted(Rc::clone(call)),
            Self::Fixed(call) => Self::Fixed(call),
        }
    }
}

impl<F: ?Sized> Deref for Slot<F> {
    type Target = F;

    fn deref(&self) -> &F {
        match self {
            Self::Counted(call) => call,
            Self::Fixed(call) => call,
        }
    }
}
