/// What to do after an accept failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptVerdict {
    /// Go on with the next connection; nobody is told.
    Continue,
    /// Stop until the back-off has passed or a descriptor is released; tell it once an episode.
    BackOff {
        /// Whether this is the episode's first failure.
        tell: bool,
    },
    /// Tell it, and stop listening.
    StopListening,
}
