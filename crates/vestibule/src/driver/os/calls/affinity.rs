/// Keeps the calling thread on one core: the one with this number among those that it may use, from the first again.
#[cfg(target_os = "linux")]
pub(crate) fn pin_to_core(number: usize) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let Ok(usable) = sched_getaffinity(None) else { return };
    let cores = (0..CpuSet::MAX_CPU).filter(|core| usable.is_set(*core));
    let Some(core) = cores.cycle().nth(number) else { return };
    let mut one = CpuSet::new();
    one.set(core);
    if let Err(error) = sched_setaffinity(None, &one) {
        crate::log::warning!("a worker cannot stay on core {core}: {error}");
    }
}

/// Elsewhere threads go where the system puts them.
#[cfg(not(target_os = "linux"))]
pub(crate) fn pin_to_core(_number: usize) {}
