//! As much of DER as it takes to rewrite keys and certificates.

/// One DER element: tag, content, and what follows it.
pub(super) fn element(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (tag, first) = (der[0], der[1]);
    let (length, start) = if first < 0x80 {
        (usize::from(first), 2)
    } else {
        let count = usize::from(first & 0x7f);
        let length = der[2..2 + count].iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
        (length, 2 + count)
    };
    (tag, &der[start..start + length], &der[start + length..])
}

pub(super) fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let short = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let mut der = vec![tag];
    if content.len() < 0x80 {
        der.push(content.len().to_le_bytes()[0]);
    } else {
        der.push(0x80 | short.len().to_le_bytes()[0]);
        der.extend(short);
    }
    der.extend(content);
    der
}

/// The serial number of a certificate.
pub(super) fn serial(certificate: &[u8]) -> &[u8] {
    let (_, signed, _) = element(element(certificate).1);
    let (_version, _, rest) = element(signed);
    element(rest).1
}

/// The certificate as one of version 1 (RFC 5280, section 4.1): without extensions, and signed anew.
pub(super) fn version_1(certificate: &[u8], sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let (_, signed, rest) = element(element(certificate).1);
    let algorithm = &rest[..rest.len() - element(rest).2.len()];
    let (_version, _, fields) = element(signed);
    // Serial number, algorithm, issuer, validity, subject and key; the extensions are the rest.
    let extensions = (0..6).fold(fields, |fields, _| element(fields).2);
    let signed = wrap(SEQUENCE, &fields[..fields.len() - extensions.len()]);
    let signature = [&[0][..], &sign(&signed)].concat();
    wrap(SEQUENCE, &[&signed, algorithm, &wrap(BIT_STRING, &signature)].concat())
}

/// The revocation list without the time of its successor; the signature is left as it was.
pub(super) fn without_next_update(list: &[u8]) -> Vec<u8> {
    let (_, signed, rest) = element(element(list).1);
    // Version, algorithm, issuer and this update stay.
    let next = (0..4).fold(signed, |fields, _| element(fields).2);
    let signed = [&signed[..signed.len() - next.len()], element(next).2].concat();
    wrap(SEQUENCE, &[&wrap(SEQUENCE, &signed), rest].concat())
}

pub(super) const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
