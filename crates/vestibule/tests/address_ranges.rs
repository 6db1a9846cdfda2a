//! What an address is for, and which subnet it is in: the reference's classification and `parseSubnet`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use vestibule::{HostAddress, Subnet};

fn address(text: &str) -> HostAddress {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn subnet(text: &str) -> Subnet {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// Everything that an address says of itself.
fn classes(address: HostAddress) -> String {
    let all = [
        ("loopback", address.is_loopback()),
        ("multicast", address.is_multicast()),
        ("link-local", address.is_link_local()),
        ("site-local", address.is_site_local()),
        ("unique-local", address.is_unique_local_unicast()),
        ("broadcast", address.is_broadcast()),
        ("private", address.is_private_use()),
        ("global", address.is_global()),
    ];
    let held: Vec<_> = all.iter().filter(|(_, holds)| *holds).map(|(name, _)| *name).collect();
    held.join(" ")
}

#[test]
fn ipv4_addresses_are_classified_at_both_ends_of_each_range_and_also_when_mapped() {
    for (text, expected) in [
        ("0.0.0.0", ""),
        ("1.0.0.0", "global"),
        ("9.255.255.255", "global"),
        ("10.0.0.0", "private global"),
        ("10.255.255.255", "private global"),
        ("11.0.0.0", "global"),
        ("126.255.255.255", "global"),
        ("127.0.0.0", "loopback"),
        ("127.255.255.255", "loopback"),
        ("128.0.0.0", "global"),
        ("169.253.255.255", "global"),
        ("169.254.0.0", "link-local"),
        ("169.254.255.255", "link-local"),
        ("169.255.0.0", "global"),
        ("172.15.255.255", "global"),
        ("172.16.0.0", "private global"),
        ("172.31.255.255", "private global"),
        ("172.32.0.0", "global"),
        ("192.167.255.255", "global"),
        ("192.168.0.0", "private global"),
        ("192.168.255.255", "private global"),
        ("192.169.0.0", "global"),
        ("223.255.255.255", "global"),
        ("224.0.0.0", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.0", ""),
        ("255.255.255.254", ""),
        ("255.255.255.255", "broadcast"),
    ] {
        assert_eq!(classes(address(text)), expected, "{text}");
        assert_eq!(classes(address(&format!("::ffff:{text}"))), expected, "::ffff:{text}");
    }
}

/// The reference's own test has it so: `0.0.0.0/8` is the local net of RFC 1122, reserved for special purposes.
#[test]
fn addresses_of_the_local_net_are_not_global() {
    for text in ["0.0.0.1", "0.255.255.255", "::ffff:0.0.0.1"] {
        assert_eq!(classes(address(text)), "", "{text}");
    }
}

#[test]
fn ipv6_addresses_are_classified_at_both_ends_of_each_range() {
    for (text, expected) in [
        ("::", ""),
        ("::1", "loopback"),
        ("::1%lo", "loopback"),
        ("::2", "global"),
        ("::127.0.0.1", "global"),
        ("2000::", "global"),
        ("2001:db8::1", "global"),
        ("fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "global"),
        ("fc00::", "unique-local private global"),
        ("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "unique-local private global"),
        ("fe00::", ""),
        ("fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""),
        ("fe80::", "link-local"),
        ("febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff%eth0", "link-local"),
        ("fec0::", "site-local global"),
        ("feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "site-local global"),
        ("ff00::", "multicast"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"),
    ] {
        assert_eq!(classes(address(text)), expected, "{text}");
    }
    assert_eq!(classes(HostAddress::NULL), "");
    assert_eq!(classes(HostAddress::ANY), "");
}

#[test]
fn subnets_are_read_in_every_shape_of_the_reference() {
    for (text, expected) in [
        ("192.168.0.0/16", "192.168.0.0/16"),
        (" 192.168.1.77/24\n", "192.168.1.0/24"),
        ("192.168/16", "192.168.0.0/16"),
        ("10/8", "10.0.0.0/8"),
        ("10.1/8", "10.0.0.0/8"),
        ("192.168.0.0/255.255.0.0", "192.168.0.0/16"),
        ("0.0.0.0/255.128.0.0", "0.0.0.0/9"),
        ("1.2.3.4/255.255.255.255", "1.2.3.4/32"),
        ("1.2.3.4/0.0.0.0", "0.0.0.0/0"),
        ("10", "10.0.0.0/8"),
        ("10.", "10.0.0.0/8"),
        ("172.16", "172.16.0.0/16"),
        ("172.16.", "172.16.0.0/16"),
        ("192.168.1", "192.168.1.0/24"),
        ("192.168.1.", "192.168.1.0/24"),
        ("192.168.0.1", "192.168.0.1/32"),
        ("255.255.255.255/31", "255.255.255.254/31"),
        ("255.255.255.255/1", "128.0.0.0/1"),
        ("255.255.255.255/0", "0.0.0.0/0"),
        ("fe80::/64", "fe80::/64"),
        ("::/0", "::/0"),
        ("2001:DB8::1", "2001:db8::1/128"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/47", "ffff:ffff:fffe::/47"),
        ("3fff:ffff::/3", "2000::/3"),
    ] {
        let read = subnet(text);
        assert_eq!(read.to_string(), expected, "{text}");
        let (first, length) = expected.split_once('/').unwrap();
        assert_eq!((read.address(), read.prefix_length().to_string()), (address(first), length.to_owned()));
    }
}

#[test]
fn other_texts_are_no_subnets_and_the_error_names_them() {
    let parts = [
        "",
        "   ",
        "foobar",
        ".",
        "1..2",
        ".1",
        "1.2.3.a",
        "1.2.3.4.5",
        "256",
        "1.2.3.256/8",
        "1.2.3.4:80",
        "+1/8",
    ];
    let lengths =
        ["1.2.3.4/", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/+8", "1.2.3.4/8/8", "1.2.3.4/a", "1.2.3.4/ 8"];
    let masks =
        ["1.2.3.4/256.0.0.0", "1.2.3.4/255.253.0.0", "1.2.3.4/255.0.0.255", "1.2.3.4/0.0.0.255", "1/255.0"];
    let ipv6 =
        ["ffff::/-1", "ffff::/129", "ffff::/255.255.0.0", "ffff::/ff00::", "::1/", "[::1]/128", ":::/8"];
    for text in [&parts[..], &lengths, &masks, &ipv6].concat() {
        let read = text.parse::<Subnet>();
        let error = read.expect_err(&format!("{text:?} was read"));
        assert_eq!(error.to_string(), format!("`{text}` is not a subnet"));
    }
}

/// The reference's test `invalid_11`: the dot ends a short form, and four parts are no short form.
#[test]
fn a_dot_behind_four_parts_is_refused() {
    for text in ["1.2.3.4.", "1.2.3.4./8"] {
        assert!(text.parse::<Subnet>().is_err(), "{text:?} was read as {}", subnet(text));
    }
}

#[test]
fn families_do_not_mix_and_special_addresses_are_in_no_subnet() {
    for (whole, outside) in [("0.0.0.0/0", "::ffff:1.2.3.4"), ("::/0", "1.2.3.4")] {
        assert!(!address(outside).is_in_subnet(subnet(whole)), "{outside} in {whole}");
        for special in [HostAddress::NULL, HostAddress::ANY] {
            assert!(!special.is_in_subnet(subnet(whole)), "{special:?} in {whole}");
        }
    }
    assert_eq!(Subnet::new(HostAddress::NULL, 0), None);
    assert_eq!(Subnet::new(HostAddress::ANY, 0), None);
    assert!(address("fe80::5%eth0").is_in_subnet(subnet("fe80::/64")), "the scope does not matter");
}

/// The first bits of an address as a number, the naive way.
fn prefix(address: IpAddr, length: u8) -> u128 {
    let (bits, width) = match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    bits.checked_shr(width - u32::from(length)).unwrap_or(0)
}

proptest! {
    #[test]
    fn every_subnet_is_read_back_as_it_was_printed(ip: IpAddr, length: u8) {
        let subnet = Subnet::new(ip.into(), length).unwrap();
        prop_assert_eq!(subnet.to_string().parse(), Ok(subnet));
        let widest = if ip.is_ipv4() { 32 } else { 128 };
        prop_assert_eq!(subnet.prefix_length(), length.min(widest), "longer ones are cut");
        prop_assert!(subnet.contains(ip.into()), "the address it was made of");
        prop_assert_eq!(Subnet::new(subnet.address(), length), Some(subnet), "made of its first address");
    }

    #[test]
    fn an_address_is_in_a_subnet_exactly_when_the_first_bits_agree(
        base: u128, length in 0u8..=128, flipped in 0u32..128,
    ) {
        let near = base ^ (1 << flipped);
        let wide = |bits: u128| IpAddr::V6(Ipv6Addr::from(bits));
        let narrow = |bits: u128| IpAddr::V4(Ipv4Addr::from(u32::try_from(bits & 0xffff_ffff).unwrap()));
        for (one, other, length) in [
            (wide(base), wide(near), length),
            (narrow(base), narrow(near), length.min(32)),
        ] {
            let subnet = Subnet::new(one.into(), length).unwrap();
            let inside = prefix(one, length) == prefix(other, length);
            prop_assert_eq!(subnet.contains(other.into()), inside, "{} in {}", other, subnet);
        }
    }

    #[test]
    fn a_mask_of_leading_ones_means_their_number(ip: Ipv4Addr, length in 0u32..=32) {
        let mask = Ipv4Addr::from(u32::MAX.checked_shl(32 - length).unwrap_or(0));
        prop_assert_eq!(format!("{ip}/{mask}").parse::<Subnet>(), format!("{ip}/{length}").parse());
    }

    #[test]
    fn any_other_mask_is_refused(mask: u32) {
        prop_assume!(mask.leading_ones() + mask.trailing_zeros() != 32 && mask != 0);
        let read = format!("10.0.0.0/{}", Ipv4Addr::from(mask)).parse::<Subnet>();
        prop_assert!(read.is_err(), "read as {:?}", read);
    }
}
