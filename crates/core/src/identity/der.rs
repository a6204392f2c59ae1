//! Reads DER (X.690) an element at a time: as much as it takes to tell what a file holds, and how a
//! key in it is encrypted.
//!
//! Of BER it takes what NSS writes: indefinite lengths, and octet strings in pieces. Whatever is used in
//! the end, a certificate or a key, is read by others again, as DER.

use std::borrow::Cow;

use x509_parser::der_parser::Oid;

use crate::error::plain;

/// Elements that follow one another.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// What is inside of a sequence that nothing follows.
    pub(super) fn whole_sequence(bytes: &'a [u8]) -> Option<Self> {
        let mut der = Self(bytes);
        der.sequence().filter(|_| der.is_empty())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// What is inside of the sequence that comes next.
    pub(super) fn sequence(&mut self) -> Option<Self> {
        self.element(0x30).map(Self)
    }

    /// What is inside of the set that comes next.
    pub(super) fn set(&mut self) -> Option<Self> {
        self.element(0x31).map(Self)
    }

    /// What is inside of the tag `[0]`, EXPLICIT, that comes next.
    pub(super) fn tagged(&mut self) -> Option<Self> {
        self.element(0xa0).map(Self)
    }

    /// The contents of the OCTET STRING that comes next.
    pub(super) fn octets(&mut self) -> Option<Cow<'a, [u8]>> {
        self.string(0x04)
    }

    /// The contents of the `[0] IMPLICIT OCTET STRING` that comes next.
    pub(super) fn tagged_octets(&mut self) -> Option<Cow<'a, [u8]>> {
        self.string(0x80)
    }

    /// The `BMPString` that comes next.
    pub(super) fn bmp_text(&mut self) -> Option<String> {
        let units = self.element(0x1e)?.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        Some(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
    }

    /// The INTEGER that comes next, unless it is negative. What 64 bits do not hold is their greatest number.
    pub(super) fn number(&mut self) -> Option<u64> {
        let bytes = self.element(0x02).filter(|bytes| bytes.first().is_some_and(|first| *first < 0x80))?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let bytes = &bytes[zeros..];
        if bytes.len() > 8 {
            return Some(u64::MAX);
        }
        Some(bytes.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
    }

    /// The OBJECT IDENTIFIER that comes next, as in `1.2.840.113549.1.5.13`.
    pub(super) fn oid(&mut self) -> Option<String> {
        let bytes = self.element(0x06).filter(|bytes| !bytes.is_empty())?;
        Some(plain(&Oid::new(bytes.into()).to_id_string()))
    }

    /// The octet string under this tag that comes next, in one piece or in several.
    fn string(&mut self, tag: u8) -> Option<Cow<'a, [u8]>> {
        if let Some(whole) = self.element(tag) {
            return Some(Cow::Borrowed(whole));
        }
        let mut inside = Self(self.element(tag | CONSTRUCTED)?);
        let mut pieces = Vec::new();
        while !inside.is_empty() {
            pieces.push(inside.element(0x04)?);
        }
        Some(Cow::Owned(pieces.concat()))
    }

    /// The contents of the element that comes next, when it has this tag.
    fn element(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (contents, rest) = self.0.starts_with(&[tag]).then(|| split(self.0, DEEPEST))??;
        self.0 = rest;
        Some(contents)
    }
}

/// The contents of the first element, and what follows it.
fn split(bytes: &[u8], depth: u8) -> Option<(&[u8], &[u8])> {
    let [tag, first, rest @ ..] = bytes else { return None };
    if *first == INDEFINITE && tag & CONSTRUCTED != 0 {
        let mut end = rest;
        while !end.starts_with(&END) {
            (_, end) = split(end, depth.checked_sub(1)?)?;
        }
        return Some((&rest[..rest.len() - end.len()], &end[END.len()..]));
    }
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        // Four bytes hold every length that a file has.
        let small = (1..=4).contains(&length.len());
        (small.then(|| length.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)))?, rest)
    };
    rest.split_at_checked(length)
}

/// The bit of a tag that says that elements are inside.
const CONSTRUCTED: u8 = 0x20;
const INDEFINITE: u8 = 0x80;
/// What ends an element of indefinite length.
const END: [u8; 2] = [0, 0];
/// How many elements of indefinite length may be inside of each other; NSS writes six.
const DEEPEST: u8 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_size() {
        for (der, number) in [
            (&[2, 1, 0][..], Some(0)),
            (&[2, 2, 8, 0], Some(2048)),
            (&[2, 9, 0, 255, 255, 255, 255, 255, 255, 255, 255], Some(u64::MAX)),
            (&[2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0], Some(u64::MAX)),
            (&[2, 1, 0x80], None),
            (&[2, 0], None),
            (&[2, 2, 1], None),
            (&[4, 1, 1], None),
        ] {
            assert_eq!(Der(der).number(), number, "{der:?}");
        }
    }

    #[test]
    fn a_sequence_ends_where_the_bytes_end() {
        assert!(Der::whole_sequence(&[0x30, 2, 5, 0]).is_some_and(|inside| inside.rest() == [5, 0]));
        for broken in [&[0x30, 2, 5, 0, 0][..], &[0x30, 3, 5, 0], &[0x30], &[0x30, 0x85, 0, 0, 0, 0, 0], &[0x30, 0x80]]
        {
            assert!(Der::whole_sequence(broken).is_none(), "{broken:?}");
        }
        assert_eq!(Der(&[6, 3, 0x55, 4, 3]).oid().as_deref(), Some("2.5.4.3"));
    }

    #[test]
    fn a_length_may_be_indefinite() {
        // The second end is that of the sequence inside.
        let nested = [0x30, 0x80, 0x30, 0x80, 4, 2, 0, 0, 0, 0, 0, 0];
        assert_eq!(Der::whole_sequence(&nested).map(|inside| inside.rest()), Some(&nested[2..10]));
        for broken in [&nested[..11], &nested[..10], &[4, 0x80, 0, 0], &[0x30, 0x80, 0x30, 0x80, 0, 0]] {
            assert!(Der::whole_sequence(broken).is_none(), "{broken:?}");
        }
        let deep = |levels: usize| [[0x30, 0x80].repeat(levels), [0, 0].repeat(levels)].concat();
        assert!(Der::whole_sequence(&deep(17)).is_some());
        assert!(Der::whole_sequence(&deep(18)).is_none());
        assert!(Der::whole_sequence(&deep(1 << 20)).is_none());
    }

    #[test]
    fn an_octet_string_may_come_in_pieces() {
        for string in [&[4, 3, 1, 2, 3][..], &[0x24, 7, 4, 1, 1, 4, 2, 2, 3], &[0x24, 0x80, 4, 2, 1, 2, 4, 1, 3, 0, 0]]
        {
            assert_eq!(Der(string).octets().as_deref(), Some(&[1, 2, 3][..]), "{string:?}");
            let tagged = [&[string[0] ^ 0x84], &string[1..]].concat();
            assert_eq!(Der(&tagged).tagged_octets().as_deref(), Some(&[1, 2, 3][..]), "{tagged:?}");
        }
        for broken in [&[0x24, 2, 5, 0][..], &[0x24, 5, 4, 4, 1, 2, 3], &[0x24, 4, 0x24, 2, 4, 0]] {
            assert!(Der(broken).octets().is_none(), "{broken:?}");
        }
    }
}
