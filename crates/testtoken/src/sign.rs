//! Signatures as PKCS#11 names them.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RsaEncoding};
use cryptoki_sys::{
    CK_MECHANISM_TYPE, CKM_ECDSA, CKM_ECDSA_SHA256, CKM_ECDSA_SHA384, CKM_EDDSA, CKM_RSA_PKCS, CKM_RSA_PKCS_PSS,
    CKM_SHA256, CKM_SHA256_RSA_PKCS, CKM_SHA256_RSA_PKCS_PSS, CKM_SHA384, CKM_SHA512,
};

/// All that it has.
pub(crate) const MECHANISMS: [CK_MECHANISM_TYPE; 8] = [
    CKM_RSA_PKCS,
    CKM_RSA_PKCS_PSS,
    CKM_ECDSA,
    CKM_EDDSA,
    CKM_SHA256_RSA_PKCS,
    CKM_SHA256_RSA_PKCS_PSS,
    CKM_ECDSA_SHA256,
    CKM_ECDSA_SHA384,
];

/// Signs by a mechanism; `hash` is that of the parameters of PSS. None for what does not fit together.
pub(crate) fn sign(
    pkcs8: &[u8],
    mechanism: CK_MECHANISM_TYPE,
    hash: Option<CK_MECHANISM_TYPE>,
    data: &[u8],
) -> Option<Vec<u8>> {
    match mechanism {
        CKM_ECDSA => CURVES.iter().find_map(|(curve, algorithm)| ecdsa(pkcs8, curve, &import(data, algorithm)?)),
        CKM_ECDSA_SHA256 => ecdsa(pkcs8, CURVES[0].0, &digest::digest(&digest::SHA256, data)),
        CKM_ECDSA_SHA384 => ecdsa(pkcs8, CURVES[1].0, &digest::digest(&digest::SHA384, data)),
        CKM_EDDSA => Some(Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).ok()?.sign(data).as_ref().to_vec()),
        CKM_RSA_PKCS => {
            // A DigestInfo: 19 bytes that say which hash follows.
            let (encoding, algorithm): (&'static dyn RsaEncoding, _) = match data.len().checked_sub(19)? {
                32 => (&signature::RSA_PKCS1_SHA256, &digest::SHA256),
                48 => (&signature::RSA_PKCS1_SHA384, &digest::SHA384),
                64 => (&signature::RSA_PKCS1_SHA512, &digest::SHA512),
                _ => return None,
            };
            rsa(pkcs8, encoding, &import(&data[19..], algorithm)?)
        }
        CKM_SHA256_RSA_PKCS => rsa(pkcs8, &signature::RSA_PKCS1_SHA256, &digest::digest(&digest::SHA256, data)),
        CKM_RSA_PKCS_PSS => match hash? {
            CKM_SHA256 => rsa(pkcs8, &signature::RSA_PSS_SHA256, &import(data, &digest::SHA256)?),
            CKM_SHA384 => rsa(pkcs8, &signature::RSA_PSS_SHA384, &import(data, &digest::SHA384)?),
            CKM_SHA512 => rsa(pkcs8, &signature::RSA_PSS_SHA512, &import(data, &digest::SHA512)?),
            _ => None,
        },
        CKM_SHA256_RSA_PKCS_PSS if hash? == CKM_SHA256 => {
            rsa(pkcs8, &signature::RSA_PSS_SHA256, &digest::digest(&digest::SHA256, data))
        }
        _ => None,
    }
}

fn import(data: &[u8], algorithm: &'static digest::Algorithm) -> Option<Digest> {
    Digest::import_less_safe(data, algorithm).ok()
}

/// Both numbers in one row, as PKCS#11 wants them.
fn ecdsa(pkcs8: &[u8], curve: &'static EcdsaSigningAlgorithm, digest: &Digest) -> Option<Vec<u8>> {
    Some(EcdsaKeyPair::from_pkcs8(curve, pkcs8).ok()?.sign_digest(digest).ok()?.as_ref().to_vec())
}

fn rsa(pkcs8: &[u8], encoding: &'static dyn RsaEncoding, digest: &Digest) -> Option<Vec<u8>> {
    let key = RsaKeyPair::from_pkcs8(pkcs8).ok()?;
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign_digest(encoding, digest, &mut signature).ok()?;
    Some(signature)
}

static CURVES: [(&EcdsaSigningAlgorithm, &digest::Algorithm); 3] = [
    (&signature::ECDSA_P256_SHA256_FIXED_SIGNING, &digest::SHA256),
    (&signature::ECDSA_P384_SHA384_FIXED_SIGNING, &digest::SHA384),
    (&signature::ECDSA_P521_SHA512_FIXED_SIGNING, &digest::SHA512),
];
