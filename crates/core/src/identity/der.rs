//! Reads DER (X.690) an element at a time: as much as it takes to tell what a file holds, and how a
//! key in it is encrypted.

use x509_parser::der_parser::Oid;

use crate::error::plain;

/// Elements that follow one another.
#[derive(Clone, Copy, Debug)]
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

    pub(super) fn starts_with(&self, bytes: &[u8]) -> bool {
        self.0.starts_with(bytes)
    }

    /// What is inside of the sequence that comes next.
    pub(super) fn sequence(&mut self) -> Option<Self> {
        self.element(0x30).map(Self)
    }

    /// The contents of the OCTET STRING that comes next.
    pub(super) fn octets(&mut self) -> Option<&'a [u8]> {
        self.element(0x04)
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

    /// The contents of the element that comes next, when it has this tag.
    fn element(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&first, rest) = self.0.strip_prefix(&[tag])?.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            // Four bytes hold every length that a file has.
            let small = (1..=4).contains(&length.len());
            (small.then(|| length.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)))?, rest)
        };
        let (contents, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(contents)
    }
}

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
        assert!(Der::whole_sequence(&[0x30, 2, 5, 0]).is_some_and(|inside| inside.starts_with(&[5])));
        for broken in [&[0x30, 2, 5, 0, 0][..], &[0x30, 3, 5, 0], &[0x30], &[0x30, 0x85, 0, 0, 0, 0, 0], &[0x30, 0x80]]
        {
            assert!(Der::whole_sequence(broken).is_none(), "{broken:?}");
        }
        assert_eq!(Der(&[6, 3, 0x55, 4, 3]).oid().as_deref(), Some("2.5.4.3"));
    }
}
