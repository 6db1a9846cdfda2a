//! Addresses and endpoints: what is read and what is refused, how they print, and how they become `std`'s.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use vestibule::{Endpoint, HostAddress, NetworkLayerProtocol};

fn address(text: &str) -> HostAddress {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// What may stand behind the `%` of an IPv6 address.
fn scopes() -> impl Strategy<Value = Option<String>> {
    prop::option::of("[!-$&-.0-~]{1,15}")
}

fn ipv4() -> impl Strategy<Value = HostAddress> {
    any::<Ipv4Addr>().prop_map(HostAddress::from)
}

fn ipv6() -> impl Strategy<Value = HostAddress> {
    let mapped = any::<Ipv4Addr>().prop_map(|address| address.to_ipv6_mapped());
    // Random addresses have no runs of zeros to leave out, so some are made of few bits.
    let sparse = prop::array::uniform8(prop_oneof![3 => Just(0), 1 => any::<u16>()]).prop_map(Ipv6Addr::from);
    let all = prop_oneof![any::<Ipv6Addr>(), sparse, mapped];
    (all, scopes()).prop_map(|(address, scope)| HostAddress::from(address).with_scope_id(scope.as_deref()))
}

proptest! {
    #[test]
    fn every_ipv4_address_is_read_back_as_it_was_printed(address in ipv4()) {
        prop_assert_eq!(address.to_string().parse(), Ok(address));
    }

    #[test]
    fn every_ipv6_address_and_its_scope_are_read_back_as_they_were_printed(address in ipv6()) {
        let read: HostAddress = address.to_string().parse().unwrap();
        prop_assert_eq!(read, address);
        prop_assert_eq!(read.scope_id(), address.scope_id());
    }

    #[test]
    fn every_endpoint_is_read_back_as_it_was_printed(
        address in prop_oneof![ipv4(), ipv6(), Just(HostAddress::ANY)],
        port: u16,
    ) {
        let endpoint = Endpoint::new(address, port);
        prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
    }

    #[test]
    fn no_text_without_a_scope_means_another_address_than_in_std(text in "[0-9a-fx:. +-]{0,24}|\\PC{0,12}") {
        prop_assume!(!text.contains('%'));
        let std = text.trim().parse::<IpAddr>().ok().map(HostAddress::from);
        prop_assert_eq!(text.parse::<HostAddress>().ok(), std);
    }

    #[test]
    fn what_is_read_of_any_text_prints_as_a_text_of_the_same_meaning(text in "[\\[\\]0-9a-f:.%* -]{0,24}|\\PC{0,12}") {
        if let Ok(address) = text.parse::<HostAddress>() {
            prop_assert_eq!(address.to_string().parse(), Ok(address));
        }
        if let Ok(endpoint) = text.parse::<Endpoint>() {
            prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
        }
    }

    #[test]
    fn std_addresses_come_back_unchanged(ip: IpAddr, port: u16) {
        prop_assert_eq!(HostAddress::from(ip).to_ip_addr(), Some(ip));
        let endpoint = Endpoint::from(SocketAddr::new(ip, port));
        prop_assert_eq!((endpoint.address, endpoint.port), (ip.into(), port));
        prop_assert_eq!(Endpoint::from((ip, port)), endpoint);
    }

    #[test]
    fn the_number_of_a_scope_is_kept_and_zero_is_none(ip: Ipv6Addr, port: u16, scope: u32) {
        let number = scope.to_string();
        let expected = if scope == 0 { None } else { Some(number.as_str()) };
        let std = SocketAddrV6::new(ip, port, 7, scope);
        let address = HostAddress::from(std);
        prop_assert_eq!((address.scope_id(), address.to_ip_addr()), (expected, Some(ip.into())));
        prop_assert_eq!(HostAddress::from(SocketAddr::V6(std)), address);
        prop_assert_eq!(Endpoint::from(SocketAddr::V6(std)), Endpoint::new(address, port));
    }

    #[test]
    fn an_address_that_maps_ipv4_is_another_one_until_it_is_made_canonical(ip: Ipv4Addr, scope in scopes()) {
        let mapped = HostAddress::from(ip.to_ipv6_mapped()).with_scope_id(scope.as_deref());
        prop_assert_ne!(mapped, HostAddress::from(ip));
        prop_assert_eq!(mapped.to_canonical(), HostAddress::from(ip));
        prop_assert_eq!((mapped.to_ipv4(), mapped.protocol()), (Some(ip), NetworkLayerProtocol::Ipv6));
    }
}

#[test]
fn ipv4_is_four_decimal_numbers_and_blanks_around_it() {
    assert_eq!(address("127.0.0.1"), HostAddress::LOCALHOST);
    assert_eq!(address(" \t255.255.255.255\r\n"), HostAddress::BROADCAST);
    assert_eq!(address("0.0.0.0"), HostAddress::ANY_IPV4);
    assert_eq!(HostAddress::try_from("10.0.0.1"), Ok(Ipv4Addr::new(10, 0, 0, 1).into()));
}

#[test]
fn ipv6_is_the_text_of_rfc_4291_with_an_optional_scope() {
    assert_eq!(address(" ::1 "), HostAddress::LOCALHOST_IPV6);
    assert_eq!(address("::"), HostAddress::ANY_IPV6);
    assert_eq!(address("0:0:0:0:0:0:0:0"), HostAddress::ANY_IPV6);
    assert_eq!(address("64:ff9b::1.2.3.4"), address("64:ff9b::102:304"));
    assert_eq!(address("2001:DB8::A").to_string(), "2001:db8::a");
    assert_eq!(address("fe80::1%eth0").scope_id(), Some("eth0"));
    assert_eq!(address("fe80::1%"), address("fe80::1"), "no scope at all");
    assert_eq!(address("fe80::1%fifteen-letters").scope_id(), Some("fifteen-letters"));
}

#[test]
fn other_texts_are_no_addresses_and_the_error_names_them() {
    let short = ["127.1", "1.2.3", "1.2.65535", "16909060", "1.2.3.4.5"];
    let bases = ["0x7f000001", "0x7f.0.0.1", "010.0.0.1", "127.0.0.01", "+1.2.3.4", "1.2.3.-4"];
    let ipv4 = ["1.2.3.4.", ".1.2.3.4", "1..2.3", "256.1.1.1", "1.2. 3.4", "1.2.3.4/24", "1.2.3.4%lo"];
    let others = ["", " ", "*", "localhost", "example.org", "１.2.3.4", "1.2.3.٤", "1.2.3.4\0", "&&&"];
    let ipv6 =
        ["[::1]", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "::ffff:1.2.3", "::g"];
    let scoped =
        ["%eth0", "fe80::1%a%b", "fe80::1%a b", "fe80::1%a/b", "fe80::1%é", "fe80::1 %lo", "fe80::1%a\0b"];
    let long = ["fe80::1%sixteen--letters", "::1/128"];
    let all = [&short[..], &bases, &ipv4, &others, &ipv6, &scoped, &long].concat();
    for text in all {
        let read = text.parse::<HostAddress>();
        let error = read.expect_err(&format!("{text:?} was read"));
        assert_eq!(error.to_string(), format!("`{text}` is not an IP address"));
    }
}

#[test]
fn addresses_print_as_the_reference_prints_them() {
    assert_eq!(HostAddress::ANY.to_string(), "0.0.0.0");
    assert_eq!(HostAddress::NULL.to_string(), "");
    assert_eq!(HostAddress::ANY_IPV6.to_string(), "::");
    for (text, printed) in [
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("::FFFF:C000:201", "::ffff:192.0.2.1"),
        ("FE80:0::1%Eth0", "fe80::1%Eth0"),
    ] {
        assert_eq!(address(text).to_string(), printed);
    }
    let debugged = format!("{:?} {:?} {:?}", HostAddress::NULL, HostAddress::ANY, address("::1%lo"));
    assert_eq!(debugged, "HostAddress(NULL) HostAddress(ANY) HostAddress(::1%lo)");
}

#[test]
fn the_special_addresses_differ_from_each_other() {
    let all = [
        (HostAddress::NULL, NetworkLayerProtocol::Unknown, None),
        (HostAddress::ANY, NetworkLayerProtocol::AnyIp, Some(Ipv4Addr::UNSPECIFIED)),
        (HostAddress::ANY_IPV4, NetworkLayerProtocol::Ipv4, Some(Ipv4Addr::UNSPECIFIED)),
        (HostAddress::ANY_IPV6, NetworkLayerProtocol::Ipv6, Some(Ipv4Addr::UNSPECIFIED)),
        (HostAddress::LOCALHOST, NetworkLayerProtocol::Ipv4, Some(Ipv4Addr::LOCALHOST)),
        (HostAddress::LOCALHOST_IPV6, NetworkLayerProtocol::Ipv6, None),
        (HostAddress::BROADCAST, NetworkLayerProtocol::Ipv4, Some(Ipv4Addr::BROADCAST)),
    ];
    for (number, (one, protocol, ipv4)) in all.into_iter().enumerate() {
        assert_eq!((one.protocol(), one.to_ipv4()), (protocol, ipv4), "{one:?}");
        assert_eq!(one.is_null(), one == HostAddress::NULL);
        for (other, ..) in &all[number + 1..] {
            assert_ne!(one, *other);
        }
    }
    assert_eq!(HostAddress::ANY.to_ip_addr(), Some(Ipv6Addr::UNSPECIFIED.into()));
    assert_eq!(HostAddress::NULL.to_ip_addr(), None);
    for text in ["::192.0.2.1", "2001:db8::1", "ff02::1"] {
        assert_eq!(address(text).to_ipv4(), None, "{text}");
    }
}

#[test]
fn only_an_ipv6_address_has_a_scope_and_only_one_that_fits() {
    let local = address("fe80::1");
    assert_eq!(local.scope_id(), None);
    assert_eq!(local.with_scope_id(Some("en0")).to_string(), "fe80::1%en0");
    assert_eq!(local.with_scope_id(Some("en0")).with_scope_id(None), local);
    assert_eq!(local.with_scope_id(Some("en0")).with_scope_id(Some("sixteen--letters")), local);
    assert_eq!(local.with_scope_id(Some("")), local);
    for other in [HostAddress::NULL, HostAddress::ANY, HostAddress::LOCALHOST] {
        assert_eq!(other.with_scope_id(Some("en0")), other);
    }
}

#[test]
fn endpoints_are_an_address_a_colon_and_a_port() {
    let any = HostAddress::ANY;
    for (text, expected, port) in [
        ("127.0.0.1:80", HostAddress::LOCALHOST, 80),
        (" [::1]:65535\n", HostAddress::LOCALHOST_IPV6, 65535),
        ("[fe80::1%eth0]:1", address("fe80::1%eth0"), 1),
        ("*:0", any, 0),
        (":443", any, 443),
        ("0.0.0.0:1", HostAddress::ANY_IPV4, 1),
    ] {
        assert_eq!(text.parse(), Ok(Endpoint::new(expected, port)));
        assert_eq!(Endpoint::try_from(text), Ok(Endpoint::new(expected, port)));
    }
    assert_eq!(Endpoint::new(any, 7).to_string(), "*:7");
    assert_eq!(Endpoint::new(HostAddress::LOCALHOST_IPV6, 7).to_string(), "[::1]:7");
}

#[test]
fn other_texts_are_no_endpoints_and_the_error_names_them() {
    let ports =
        ["1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.4:+1", "1.2.3.4: 1", "1.2.3.4:8o", ":"];
    let brackets =
        ["::1:80", "[::1]", "[::1]80", "[::1:80", "::1]:80", "[1.2.3.4]:80", "[]:80", "[*]:80", "[[::1]]:80"];
    let others =
        ["", "localhost:80", "127.1:80", "1.2.3.4:80:90", "**:80", "http://1.2.3.4:80", "1.2.3.4:８０"];
    for text in [&ports[..], &brackets, &others].concat() {
        let read = text.parse::<Endpoint>();
        let error = read.expect_err(&format!("{text:?} was read"));
        assert_eq!(error.to_string(), format!("`{text}` is not ADDRESS:PORT"));
    }
}
