//! Reads the one message of the Workload API, `X509SVIDResponse`, out of its protobuf encoding.

/// Certificates, keys and bundles for one workload.
#[derive(Debug, Default)]
pub(super) struct Response<'a> {
    pub(super) svids: Vec<Svid<'a>>,
    /// Whether there are certificate revocation lists.
    pub(super) has_revocations: bool,
    /// Bundles of other trust domains by their names.
    pub(super) federated: Vec<(&'a str, &'a [u8])>,
}

/// One certificate with its key, and the bundle of its trust domain.
#[derive(Default)]
pub(super) struct Svid<'a> {
    pub(super) id: &'a str,
    /// Certificates in DER, one behind the other, the leaf first.
    pub(super) chain: &'a [u8],
    /// PKCS#8 in DER.
    pub(super) key: &'a [u8],
    /// Certificates in DER, one behind the other.
    pub(super) bundle: &'a [u8],
}

/// The bytes are no such message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl<'a> Response<'a> {
    /// Reads a message; no part is empty that must not be.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut response = Self::default();
        let mut fields = Fields(bytes);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => response.svids.push(Svid::read(value)?),
                2 => response.has_revocations = true,
                3 => response.federated.push(entry(value)?),
                _ => {}
            }
        }
        Ok(response)
    }
}

impl<'a> Svid<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut svid = Self::default();
        let mut fields = Fields(bytes);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => svid.id = text(value)?,
                2 => svid.chain = value,
                3 => svid.key = value,
                4 => svid.bundle = value,
                _ => {}
            }
        }
        let whole = ![svid.id.as_bytes(), svid.chain, svid.key, svid.bundle].iter().any(|field| field.is_empty());
        if whole { Ok(svid) } else { Err(Malformed) }
    }
}

impl std::fmt::Debug for Svid<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Svid").field("id", &self.id).finish_non_exhaustive()
    }
}

/// An entry of a map: a message of key and value.
fn entry(bytes: &[u8]) -> Result<(&str, &[u8]), Malformed> {
    let (mut name, mut bundle) = ("", &b""[..]);
    let mut fields = Fields(bytes);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => name = text(value)?,
            2 => bundle = value,
            _ => {}
        }
    }
    Ok((name, bundle))
}

fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed)
}

/// The fields of a message that texts, bytes and messages are in; the others are passed over.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The number and the value of the next field; none at the end.
    fn next(&mut self) -> Result<Option<(u64, &'a [u8])>, Malformed> {
        while !self.0.is_empty() {
            let tag = self.varint()?;
            match tag & 7 {
                0 => drop(self.varint()?),
                1 => drop(self.bytes(8)?),
                2 => {
                    let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                    return Ok(Some((tag >> 3, self.bytes(length)?)));
                }
                5 => drop(self.bytes(4)?),
                _ => return Err(Malformed),
            }
        }
        Ok(None)
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.bytes(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A length-delimited field with a small number and a short value.
    fn field(number: u8, value: &[u8]) -> Vec<u8> {
        let length = u8::try_from(value.len()).unwrap();
        assert!(length < 0x80);
        [&[number << 3 | 2, length], value].concat()
    }

    fn svid() -> Vec<u8> {
        [field(1, b"spiffe://a/b"), field(2, b"chain"), field(3, b"key"), field(4, b"bundle"), field(5, b"hint")]
            .concat()
    }

    #[test]
    fn a_whole_message_is_read_and_unknown_fields_are_passed_over() {
        let unknown = [&[6 << 3, 0xff, 0xff, 1][..], &[7 << 3 | 1, 0, 0, 0, 0, 0, 0, 0, 0], &[8 << 3 | 5, 0, 0, 0, 0]];
        let map = field(3, &[field(1, b"spiffe://c"), field(2, b"other")].concat());
        let bytes = [field(1, &svid()), unknown.concat(), map, field(1, &svid()), field(2, b"crl")].concat();
        let response = Response::read(&bytes).unwrap();
        assert_eq!(response.federated, [("spiffe://c", &b"other"[..])]);
        assert!(response.has_revocations);
        let [svid, _] = &response.svids[..] else { panic!("{response:?}") };
        assert_eq!((svid.id, svid.chain), ("spiffe://a/b", &b"chain"[..]));
        assert_eq!((svid.key, svid.bundle), (&b"key"[..], &b"bundle"[..]));
        assert!(!format!("{response:?}").contains("key"));
    }

    #[test]
    fn no_part_of_a_message_is_one() {
        let bytes = field(1, &svid());
        for end in 1..bytes.len() {
            assert!(Response::read(&bytes[..end]).is_err(), "{end}");
        }
        for broken in [&[0x0b][..], &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], &[0x0a, 2, 8]]
        {
            assert!(Response::read(broken).is_err(), "{broken:?}");
        }
        assert!(Response::read(&[]).unwrap().svids.is_empty());
        assert!(Response::read(&field(1, &field(1, b"spiffe://a/b"))).is_err(), "a certificate is needed");
    }
}
