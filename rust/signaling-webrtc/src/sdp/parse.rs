//! How descriptions are read: whatever a data channel does not need is skipped.

use is::IceCreds;

use super::{DataSection, Description, Foreign, SdpError, SdpKind, Session, Setup};
use crate::certificate::Fingerprint;

/// Longer texts are refused: a browser's offer with audio and video is about 10 KiB.
const MAX_BYTES: usize = 128 * 1024;
const MAX_SECTIONS: usize = 64;
const MAX_CANDIDATES: usize = 64;
const MAX_FINGERPRINTS: usize = 16;

/// What our descriptions repeat of all media lines, in bytes: far more than browsers need, and
/// little enough that an answer fits through any signaling that an offer came through.
const MAX_REPEATED_BYTES: usize = 16 * 1024;

/// What each of our candidates repeats.
const MAX_MID_BYTES: usize = 256;

/// What a side takes that does not say so (RFC 8841, section 6.1).
const DEFAULT_MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// What every WebRTC implementation uses.
const DEFAULT_SCTP_PORT: u16 = 5000;

pub(super) fn description(kind: SdpKind, sdp: &str) -> Result<Description, SdpError> {
    if sdp.len() > MAX_BYTES {
        return Err(SdpError("too long"));
    }
    let (origin, common, sections) = split(sdp)?;
    let index = sections
        .iter()
        .position(Section::carries_data)
        .ok_or(SdpError("no media line for data channels"))?;
    if sections.iter().map(Section::repeated_bytes).sum::<usize>() > MAX_REPEATED_BYTES {
        return Err(SdpError("media lines too long"));
    }
    let data = data_section(kind, index, &sections[index], &common)?;
    if data.mid.len() > MAX_MID_BYTES {
        return Err(SdpError("mid too long"));
    }
    let foreign = sections.iter().enumerate().filter(|(place, _)| *place != index);
    let foreign = foreign.map(|(place, section)| (place, section.foreign())).collect();
    let is_bundled = common.all("group").any(|group| {
        let mut words = group.split_ascii_whitespace();
        words.next() == Some("BUNDLE") && words.any(|mid| mid == data.mid)
    });
    Ok(Description { kind, session: session(origin), is_bundled, foreign, index, data })
}

/// A media line and the attributes below it.
#[derive(Default)]
struct Section<'a> {
    media: &'a str,
    port: &'a str,
    format: &'a str,
    attributes: Attributes<'a>,
}

/// Attribute lines in order, as name and value.
#[derive(Default)]
struct Attributes<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Attributes<'a> {
    fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| *key == name).map(|(_, value)| *value)
    }

    fn first(&self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }
}

impl Section<'_> {
    fn carries_data(&self) -> bool {
        let mut format = self.format.split_ascii_whitespace();
        let over_sctp = matches!(format.next(), Some("UDP/DTLS/SCTP" | "TCP/DTLS/SCTP"));
        let accepted = self.port != "0" || self.attributes.first("bundle-only").is_some();
        self.media == "application"
            && over_sctp
            && format.any(|format| format == "webrtc-datachannel")
            && accepted
    }

    fn repeated_bytes(&self) -> usize {
        let mid = self.attributes.first("mid").unwrap_or("");
        self.media.len() + self.format.len() + mid.len()
    }

    fn foreign(&self) -> Foreign {
        Foreign {
            media: self.media.to_owned(),
            format: self.format.to_owned(),
            mid: self.attributes.first("mid").map(str::to_owned),
        }
    }
}

/// The value of the `o=` line, the attributes for all sections, and the sections.
fn split(sdp: &str) -> Result<(&str, Attributes<'_>, Vec<Section<'_>>), SdpError> {
    let mut lines = sdp.lines().filter(|line| !line.is_empty());
    if lines.next() != Some("v=0") {
        return Err(SdpError("does not begin with v=0"));
    }
    let mut origin = "";
    let mut common = Attributes::default();
    let mut sections: Vec<Section<'_>> = Vec::new();
    for line in lines {
        if line.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(SdpError("a control character"));
        }
        let (kind, value) = line.split_once('=').ok_or(SdpError("a line without '='"))?;
        match kind {
            "o" => origin = value,
            "m" => sections.push(media_line(value)?),
            "a" => {
                let attributes =
                    sections.last_mut().map_or(&mut common, |last| &mut last.attributes);
                attributes.0.push(value.split_once(':').unwrap_or((value, "")));
            }
            _ => {}
        }
        if sections.len() > MAX_SECTIONS {
            return Err(SdpError("too many media lines"));
        }
    }
    Ok((origin, common, sections))
}

fn media_line(value: &str) -> Result<Section<'_>, SdpError> {
    let mut fields = value.splitn(3, ' ');
    match (fields.next(), fields.next(), fields.next()) {
        (Some(media), Some(port), Some(format)) => {
            Ok(Section { media, port, format, ..Section::default() })
        }
        _ => Err(SdpError("a media line lacks fields")),
    }
}

fn session(origin: &str) -> Session {
    let mut fields = origin.split(' ').skip(1).map(|field| field.parse().unwrap_or(0));
    Session { id: fields.next().unwrap_or(0), version: fields.next().unwrap_or(0) }
}

fn data_section(
    kind: SdpKind,
    index: usize,
    section: &Section<'_>,
    common: &Attributes<'_>,
) -> Result<DataSection, SdpError> {
    let own = &section.attributes;
    let inherited = |name| own.first(name).or_else(|| common.first(name));
    let ufrag = inherited("ice-ufrag").ok_or(SdpError("no ice-ufrag"))?;
    let pass = inherited("ice-pwd").ok_or(SdpError("no ice-pwd"))?;
    let candidates = own.0.iter().filter(|(name, _)| *name == "candidate");
    Ok(DataSection {
        mid: own.first("mid").map_or_else(|| index.to_string(), str::to_owned),
        credentials: credentials(ufrag, pass)?,
        fingerprints: fingerprints(own, common)?,
        setup: setup(kind, inherited("setup"))?,
        sctp_port: match own.first("sctp-port") {
            Some(port) => port.parse().map_err(|_| SdpError("bad sctp-port"))?,
            None => DEFAULT_SCTP_PORT,
        },
        max_message_bytes: max_message_bytes(own.first("max-message-size"))?,
        candidates: candidates
            .take(MAX_CANDIDATES)
            .map(|(name, value)| format!("{name}:{value}"))
            .collect(),
        end_of_candidates: own.first("end-of-candidates").is_some(),
    })
}

fn credentials(ufrag: &str, pass: &str) -> Result<IceCreds, SdpError> {
    let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    // RFC 8839 allows a ufrag of 256; the ICE agent takes no user name over 128, which holds
    // both sides' ufrags. Browsers use 4 to 8.
    let fits = (4..=100).contains(&ufrag.len()) && (22..=256).contains(&pass.len());
    if !fits || !visible(ufrag) || !visible(pass) {
        return Err(SdpError("bad ICE credentials"));
    }
    Ok(IceCreds { ufrag: ufrag.to_owned(), pass: pass.to_owned() })
}

fn fingerprints(
    own: &Attributes<'_>,
    common: &Attributes<'_>,
) -> Result<Vec<Fingerprint>, SdpError> {
    let attributes = if own.first("fingerprint").is_some() { own } else { common };
    let readable = attributes.all("fingerprint").filter_map(Fingerprint::parse);
    let fingerprints: Vec<_> = readable.take(MAX_FINGERPRINTS).collect();
    if fingerprints.is_empty() {
        return Err(SdpError("no SHA-256 fingerprint"));
    }
    Ok(fingerprints)
}

fn setup(kind: SdpKind, value: Option<&str>) -> Result<Setup, SdpError> {
    match (value, kind) {
        (Some("active"), _) => Ok(Setup::Active),
        (Some("passive"), _) => Ok(Setup::Passive),
        (Some("actpass") | None, SdpKind::Offer) => Ok(Setup::ActPass),
        // What an answer means that does not say (RFC 4145, section 4).
        (None, SdpKind::Answer) => Ok(Setup::Active),
        (Some(_), _) => Err(SdpError("bad setup")),
    }
}

fn max_message_bytes(value: Option<&str>) -> Result<Option<usize>, SdpError> {
    let Some(value) = value else { return Ok(Some(DEFAULT_MAX_MESSAGE_BYTES)) };
    match value.parse::<u64>() {
        Ok(0) => Ok(None),
        Ok(bytes) => Ok(usize::try_from(bytes).ok()),
        Err(_) => Err(SdpError("bad max-message-size")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::Certificate;

    /// What a browser offers for a data channel, shortened to what has a meaning here.
    const OFFER: &str = "v=0\r\n\
        o=- 4611731400430051336 2 IN IP4 127.0.0.1\r\n\
        s=-\r\n\
        t=0 0\r\n\
        a=group:BUNDLE 0\r\n\
        a=msid-semantic: WMS\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
        c=IN IP4 0.0.0.0\r\n\
        a=candidate:1 1 udp 2113937151 192.0.2.1 5000 typ host\r\n\
        a=ice-ufrag:aBc+\r\n\
        a=ice-pwd:0123456789abcdefghijkl/+\r\n\
        a=ice-options:trickle\r\n\
        a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:\
        00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
        a=setup:actpass\r\n\
        a=mid:0\r\n\
        a=sctp-port:5000\r\n\
        a=max-message-size:262144\r\n";

    fn offer(sdp: &str) -> Result<Description, SdpError> {
        Description::parse(SdpKind::Offer, sdp)
    }

    #[test]
    fn an_offer_is_read() {
        let offer = offer(OFFER).unwrap();
        assert_eq!(offer.session, Session { id: 4611731400430051336, version: 2 });
        assert_eq!((offer.index, offer.data.mid.as_str()), (0, "0"));
        assert!(offer.is_bundled);
        assert_eq!(offer.data.credentials.ufrag, "aBc+");
        assert_eq!(offer.data.setup, Setup::ActPass);
        assert_eq!(offer.data.max_message_bytes, Some(262_144));
        assert_eq!(offer.data.candidates, ["candidate:1 1 udp 2113937151 192.0.2.1 5000 typ host"]);
    }

    #[test]
    fn what_an_answer_repeats_is_short() {
        let with_media = |count: usize, format: usize, mid: usize| {
            let section = format!("m=x 9 {}\na=mid:{}\n", "f".repeat(format), "m".repeat(mid));
            offer(&format!("{OFFER}{}", section.repeat(count)))
        };
        assert!(with_media(60, 150, 40).is_ok());
        for (count, format, mid) in [(60, 900, 0), (60, 0, 900), (1, 30_000, 0), (1, 0, 30_000)] {
            let error = with_media(count, format, mid).err();
            assert_eq!(error, Some(SdpError("media lines too long")));
        }
        // It comes with every candidate too.
        let long = OFFER.replace("a=mid:0", &format!("a=mid:{}", "m".repeat(1000)));
        assert_eq!(offer(&long).err(), Some(SdpError("mid too long")));
    }

    #[test]
    fn line_ends_may_lack_the_carriage_return() {
        assert_eq!(offer(&OFFER.replace('\r', "")), offer(OFFER));
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let mut description = offer(OFFER).unwrap();
        for setup in [Setup::ActPass, Setup::Active, Setup::Passive] {
            description.data.setup = setup;
            description.data.end_of_candidates ^= true;
            description.data.fingerprints.push(*Certificate::generate([3; 32]).fingerprint());
            assert_eq!(offer(&description.to_string()), Ok(description.clone()));
        }
        description.data.max_message_bytes = None;
        description.is_bundled = false;
        assert_eq!(offer(&description.to_string()), Ok(description));
    }

    #[test]
    fn attributes_of_the_session_hold_for_the_section() {
        let (head, section) = OFFER.split_once("m=").unwrap();
        let names = ["a=ice-ufrag", "a=ice-pwd", "a=fingerprint", "a=setup"];
        let is_moved = |line: &&str| names.iter().any(|name| line.starts_with(name));
        let lines = |keep: bool| -> String {
            let kept = section.split_inclusive("\r\n").filter(|line| is_moved(line) == keep);
            kept.collect()
        };
        let moved = format!("{head}{}m={}", lines(true), lines(false));
        assert_eq!(offer(&moved), offer(OFFER));
    }

    #[test]
    fn foreign_media_lines_keep_their_place_and_are_rejected() {
        let audio = "m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\nc=IN IP4 0.0.0.0\r\na=mid:a\r\n";
        let video = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\n";
        let (head, section) = OFFER.split_once("m=").unwrap();
        let description = offer(&format!("{head}{audio}m={section}{video}")).unwrap();
        assert_eq!(description.index, 1);
        let written = description.to_string();
        let media: Vec<_> = written.lines().filter(|line| line.starts_with("m=")).collect();
        assert_eq!(
            media,
            [
                "m=audio 0 UDP/TLS/RTP/SAVPF 111 63",
                "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
                "m=video 0 UDP/TLS/RTP/SAVPF 96",
            ]
        );
        assert!(written.contains("a=mid:a\r\n"));
        assert_eq!(offer(&written), Ok(description));
    }

    #[test]
    fn what_is_missing_has_its_default() {
        let without = |attribute: &str| -> String {
            let kept = OFFER.split_inclusive("\r\n").filter(|line| !line.starts_with(attribute));
            kept.collect()
        };
        let data = |attribute| offer(&without(attribute)).map(|description| description.data);
        assert_eq!(data("a=max-message-size").unwrap().max_message_bytes, Some(65_536));
        assert_eq!(data("a=sctp-port").unwrap().sctp_port, 5000);
        assert_eq!(data("a=mid").unwrap().mid, "0");
        assert_eq!(data("a=setup").unwrap().setup, Setup::ActPass);
        let answer = Description::parse(SdpKind::Answer, &without("a=setup")).unwrap();
        assert_eq!(answer.data.setup, Setup::Active);
        for needed in ["v=", "m=", "a=ice-ufrag", "a=ice-pwd", "a=fingerprint"] {
            assert!(offer(&without(needed)).is_err(), "{needed}");
        }
    }

    #[test]
    fn unusable_descriptions_are_errors() {
        let cases = [
            ("m=application 9", "m=application 0"),
            ("webrtc-datachannel", "something"),
            ("aBc+", "a b"),
            ("aBc+", "a:bc"),
            ("aBc+", "abc"),
            ("0123456789abcdefghijkl/+", "short"),
            ("sha-256", "sha-1"),
            ("actpass", "holdconn"),
            ("a=sctp-port:5000", "a=sctp-port:70000"),
            ("max-message-size:262144", "max-message-size:many"),
            ("s=-", "no equals sign"),
            ("a=mid:0", "a=mid:0\ra=setup:active"),
        ];
        for (from, to) in cases {
            assert!(offer(&OFFER.replace(from, to)).is_err(), "{to}");
        }
        assert!(offer(&OFFER.replace("aBc+", &"a".repeat(101))).is_err());
        assert!(Description::parse(SdpKind::Answer, OFFER).is_err(), "an answer must decide");
        assert!(offer(&"v=0\r\n".repeat(100_000)).is_err());
        assert!(offer(&format!("v=0\r\n{}", "m=audio 9 a b\r\n".repeat(100))).is_err());
    }

    #[test]
    fn no_prefix_and_no_single_byte_change_panics() {
        for end in 0..OFFER.len() {
            let _ = offer(&OFFER[..end]);
            for byte in ["\n", "=", ":", " ", "\u{e9}", ""] {
                let _ = offer(&format!("{}{byte}{}", &OFFER[..end], &OFFER[end + 1..]));
            }
        }
    }
}
