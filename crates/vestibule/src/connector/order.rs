use std::collections::VecDeque;
use std::net::SocketAddr;

/// Each address once, the families in turn (RFC 8305, section 4): the first one's family begins, because whoever looked
/// the name up put the family first that is more likely to work.
pub(crate) fn interleaved(addresses: &[SocketAddr]) -> VecDeque<SocketAddr> {
    let mut known = Vec::new();
    for address in addresses {
        if !known.contains(address) {
            known.push(*address);
        }
    }
    let first_is_ipv4 = known.first().is_some_and(SocketAddr::is_ipv4);
    let (mut first, mut second): (VecDeque<_>, VecDeque<_>) =
        known.into_iter().partition(|address| address.is_ipv4() == first_is_ipv4);
    let mut ordered = VecDeque::new();
    while !first.is_empty() || !second.is_empty() {
        ordered.extend(first.pop_front());
        ordered.extend(second.pop_front());
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::interleaved;
    use proptest::prelude::*;
    use std::net::SocketAddr;

    fn addresses() -> impl Strategy<Value = Vec<SocketAddr>> {
        let address = (any::<bool>(), 0_u16..12).prop_map(|(ipv4, port)| {
            if ipv4 { SocketAddr::from(([127, 0, 0, 1], port)) } else { SocketAddr::from(([0; 16], port)) }
        });
        prop::collection::vec(address, 0..12)
    }

    proptest! {
        /// Nothing is lost or doubled, families keep their inner order, and two of a family follow each other only when
        /// the other family is used up.
        #[test]
        fn families_take_turns(addresses in addresses()) {
            let ordered = Vec::from(interleaved(&addresses));
            prop_assert_eq!(ordered.first(), addresses.first());
            for ipv4 in [true, false] {
                let mut expected = Vec::new();
                for address in addresses.iter().filter(|address| address.is_ipv4() == ipv4) {
                    if !expected.contains(address) {
                        expected.push(*address);
                    }
                }
                let found: Vec<_> = ordered.iter().copied().filter(|it| it.is_ipv4() == ipv4).collect();
                prop_assert_eq!(found, expected);
            }
            for (at, pair) in ordered.windows(2).enumerate() {
                let of_one_family = pair[0].is_ipv4() == pair[1].is_ipv4();
                let rest_too = ordered[at..].iter().all(|address| address.is_ipv4() == pair[0].is_ipv4());
                prop_assert!(!of_one_family || rest_too);
            }
        }
    }
}
