//! The encrypted file: argon2id turns the password into a key, XChaCha20-Poly1305 seals under it.
//!
//! | bytes | what |
//! |---|---|
//! | 6 | `ZKSEAL` |
//! | 1 | format version, 1 |
//! | 1 | what is inside: [`Kind`] |
//! | 4 + 4 + 4 | argon2id (v0x13): memory in KiB, passes, lanes; big-endian |
//! | 16 | salt |
//! | 24 | nonce |
//! | 16 | password check |
//! | 8 | length of the ciphertext with its tag, big-endian |
//! | … | ciphertext and tag; everything above is authenticated with it |
//! | 32 | SHA-256 of all of the above |
//!
//! **Four failures, four answers.** The trailing digest tells an accident (a lost tail, a flipped bit) from the rest
//! before a second is spent on the password. The password check, 16 bytes of argon2's output that are not the key,
//! tells a wrong password from a forged file; guessing against it costs what guessing against the tag costs.
//!
//! **Bounds.** A hostile file names its own memory and passes; they are checked before anything is allocated.

use crate::password::Password;
use crate::secret::{NoRandomness, Secret};
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

const MAGIC: &[u8; 6] = b"ZKSEAL";
const VERSION: u8 = 1;
const CHECK: usize = 16;
const TAG: usize = 16;
const DIGEST: usize = 32;
/// Bytes before the ciphertext.
const HEADER: usize = 6 + 1 + 1 + 12 + 16 + 24 + CHECK + 8;

/// Most memory a file may ask for, in KiB: 512 MiB.
const MAX_MEMORY: u32 = 512 * 1_024;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 16;

/// What a sealed file holds, so that one is not taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Seed = 1,
    Backup = 2,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Seed => "a seed",
            Self::Backup => "a backup",
        }
    }
}

/// What opening costs, and therefore guessing.
///
/// No configuration sets it: a weak value would be silent for years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfParams {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Default for KdfParams {
    /// 64 MiB, 3 passes, 4 lanes.
    ///
    /// # Source
    /// RFC 9106, section 4, second recommended option.
    fn default() -> Self {
        Self {
            memory_kib: 65_536,
            passes: 3,
            lanes: 4,
        }
    }
}

impl KdfParams {
    /// Almost no work, for tests that open many files. Guessing costs nothing: never for a real seed.
    #[doc(hidden)]
    pub const fn insecure_for_tests() -> Self {
        Self {
            memory_kib: 64,
            passes: 1,
            lanes: 1,
        }
    }

    fn check(self) -> Result<Self, SealError> {
        let Self {
            memory_kib,
            passes,
            lanes,
        } = self;
        let fits = (1..=MAX_PASSES).contains(&passes)
            && (1..=MAX_LANES).contains(&lanes)
            && (8 * lanes..=MAX_MEMORY).contains(&memory_kib);
        if fits {
            Ok(self)
        } else {
            Err(SealError::Cost {
                memory_kib,
                passes,
                lanes,
            })
        }
    }
}

/// Why a sealed file does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    #[error("this is no sealed file: it does not begin with ZKSEAL")]
    NotSealed,
    #[error("sealed file of format {found}; this version reads format {VERSION}")]
    UnknownVersion { found: u8 },
    #[error("the file is truncated: {got} bytes of {expected}; restore it from a copy")]
    Truncated { expected: u64, got: u64 },
    #[error("{extra} bytes follow the end of the sealed file")]
    Trailing { extra: u64 },
    #[error("the file is damaged: its checksum does not match; restore it from a copy")]
    Damaged,
    #[error("the sealed file holds {found}, not {expected}")]
    WrongKind { expected: &'static str, found: String },
    #[error(
        "the file asks for {memory_kib} KiB, {passes} passes and {lanes} lanes to open, beyond the bounds \
         ({MAX_MEMORY} KiB, {MAX_PASSES}, {MAX_LANES})"
    )]
    Cost { memory_kib: u32, passes: u32, lanes: u32 },
    #[error("wrong password")]
    WrongPassword,
    #[error("the password is right, but the content was tampered with; restore the file from a copy")]
    Tampered,
    #[error("not enough memory to open or seal: {0}")]
    Kdf(String),
    #[error("there is too much to seal in one file")]
    TooLarge,
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// Seals bytes under a password.
///
/// # Errors
/// [`SealError::Kdf`], [`SealError::NoRandomness`].
pub fn seal(kind: Kind, plain: &[u8], password: &Password, cost: KdfParams) -> Result<Vec<u8>, SealError> {
    let cost = cost.check()?;
    let (salt, nonce) = (Secret::<16>::random()?, Secret::<24>::random()?);
    let (key, check) = derive(password, salt.expose(), cost)?;
    let length = plain.len().checked_add(TAG).ok_or(SealError::TooLarge)?;
    let mut file = Vec::with_capacity(HEADER + length + DIGEST);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&[VERSION, kind as u8]);
    for number in [cost.memory_kib, cost.passes, cost.lanes] {
        file.extend_from_slice(&number.to_be_bytes());
    }
    file.extend_from_slice(salt.expose());
    file.extend_from_slice(nonce.expose());
    file.extend_from_slice(&check);
    file.extend_from_slice(&(length as u64).to_be_bytes());
    let payload = Payload { msg: plain, aad: &file };
    let sealed = XChaCha20Poly1305::new(key.expose().into())
        .encrypt(nonce.expose().into(), payload)
        .map_err(|_| SealError::TooLarge)?;
    file.extend_from_slice(&sealed);
    let digest = Sha256::digest(&file);
    file.extend_from_slice(&digest);
    Ok(file)
}

/// Opens a sealed file's bytes.
///
/// # Errors
/// [`SealError`], one variant for each way a file can be wrong.
pub fn open(expected: Kind, file: &[u8], password: &Password) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let header = Header::read(file)?;
    let body = header.whole(file)?;
    if header.kind != expected as u8 {
        let known = [Kind::Seed, Kind::Backup].into_iter().find(|k| *k as u8 == header.kind);
        let found = known.map_or_else(|| format!("something of kind {}", header.kind), |k| k.name().to_owned());
        let expected = expected.name();
        return Err(SealError::WrongKind { expected, found });
    }
    let (key, check) = derive(password, &header.salt, header.cost.check()?)?;
    // Not constant-time: the check and the file are the attacker's already if they can watch this comparison.
    if check != header.check {
        return Err(SealError::WrongPassword);
    }
    let payload = Payload {
        msg: body,
        aad: file.get(..HEADER).unwrap_or_default(),
    };
    XChaCha20Poly1305::new(key.expose().into())
        .decrypt((&header.nonce).into(), payload)
        .map(Zeroizing::new)
        .map_err(|_| SealError::Tampered)
}

struct Header {
    kind: u8,
    cost: KdfParams,
    salt: [u8; 16],
    nonce: [u8; 24],
    check: [u8; CHECK],
    length: u64,
}

impl Header {
    fn read(file: &[u8]) -> Result<Self, SealError> {
        let truncated = || SealError::Truncated {
            expected: (HEADER + TAG + DIGEST) as u64,
            got: file.len() as u64,
        };
        let magic = file.get(..MAGIC.len()).unwrap_or(file);
        if !MAGIC.starts_with(magic) || magic.is_empty() {
            return Err(SealError::NotSealed);
        }
        let mut at = MAGIC.len();
        // The version first: another one may have another header.
        let version = *file.get(at).ok_or_else(truncated)?;
        if version != VERSION {
            return Err(SealError::UnknownVersion { found: version });
        }
        at += 1;
        let [kind] = take(file, &mut at).ok_or_else(truncated)?;
        let mut number = || take(file, &mut at).map(u32::from_be_bytes).ok_or_else(truncated);
        let cost = KdfParams {
            memory_kib: number()?,
            passes: number()?,
            lanes: number()?,
        };
        Ok(Self {
            kind,
            cost,
            salt: take(file, &mut at).ok_or_else(truncated)?,
            nonce: take(file, &mut at).ok_or_else(truncated)?,
            check: take(file, &mut at).ok_or_else(truncated)?,
            length: take(file, &mut at).map(u64::from_be_bytes).ok_or_else(truncated)?,
        })
    }

    /// The ciphertext, once the file is as long as its header says and carries its own digest.
    fn whole<'a>(&self, file: &'a [u8]) -> Result<&'a [u8], SealError> {
        let got = file.len() as u64;
        let expected = self.length.saturating_add((HEADER + DIGEST) as u64);
        if got < expected {
            return Err(SealError::Truncated { expected, got });
        }
        if got > expected {
            return Err(SealError::Trailing { extra: got - expected });
        }
        let (content, digest) = file
            .split_at_checked(file.len().saturating_sub(DIGEST))
            .ok_or(SealError::Damaged)?;
        if Sha256::digest(content)[..] != *digest {
            return Err(SealError::Damaged);
        }
        content.get(HEADER..).ok_or(SealError::Damaged)
    }
}

fn take<const N: usize>(bytes: &[u8], at: &mut usize) -> Option<[u8; N]> {
    let piece = bytes.get(*at..*at + N)?.try_into().ok()?;
    *at += N;
    Some(piece)
}

/// The key, and the check that tells whether the password is the right one.
fn derive(password: &Password, salt: &[u8], cost: KdfParams) -> Result<(Secret<32>, [u8; CHECK]), SealError> {
    let kdf = |e: argon2::Error| SealError::Kdf(e.to_string());
    let mut out = Zeroizing::new([0u8; 32 + CHECK]);
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(out.len())).map_err(kdf)?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.expose(), salt, &mut *out)
        .map_err(kdf)?;
    let (mut key, mut check) = (Secret::zero(), [0; CHECK]);
    let (key_part, check_part) = out.split_at(32);
    key.expose_mut().copy_from_slice(key_part);
    check.copy_from_slice(check_part);
    Ok((key, check))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(text.into()).unwrap()
    }

    fn sealed(plain: &[u8]) -> Vec<u8> {
        seal(Kind::Seed, plain, &password("right"), KdfParams::insecure_for_tests()).unwrap()
    }

    /// Recomputes the digest, as a forger would.
    fn redigest(file: &mut [u8]) {
        let at = file.len() - DIGEST;
        let digest = Sha256::digest(&file[..at]);
        file[at..].copy_from_slice(&digest);
    }

    #[test]
    fn what_was_sealed_opens() {
        for length in [0, 1, 32, 1_000] {
            let plain = vec![7; length];
            let file = sealed(&plain);
            assert_eq!(*open(Kind::Seed, &file, &password("right")).unwrap(), plain);
        }
        assert_ne!(sealed(b"x"), sealed(b"x"), "salt and nonce are fresh");
    }

    #[test]
    fn the_default_cost_is_the_one_in_the_rfc_and_opens() {
        let file = seal(Kind::Seed, b"x", &password("right"), KdfParams::default()).unwrap();
        assert_eq!(hex::encode(&file[8..20]), "000100000000000300000004");
        assert_eq!(*open(Kind::Seed, &file, &password("right")).unwrap(), b"x");
    }

    #[test]
    fn each_failure_has_its_own_answer() {
        let file = sealed(b"secret");
        let try_open = |file: &[u8]| open(Kind::Seed, file, &password("right")).unwrap_err();
        assert!(matches!(
            open(Kind::Seed, &file, &password("wrong")),
            Err(SealError::WrongPassword)
        ));
        assert!(matches!(
            open(Kind::Backup, &file, &password("right")),
            Err(SealError::WrongKind { .. })
        ));
        assert!(matches!(try_open(b""), SealError::NotSealed));
        assert!(matches!(try_open(b"PK\x03\x04 something else"), SealError::NotSealed));
        for cut in 1..file.len() {
            assert!(
                matches!(try_open(&file[..cut]), SealError::Truncated { .. }),
                "cut at {cut}"
            );
        }
        assert!(matches!(
            try_open(&[&file[..], b"x"].concat()),
            SealError::Trailing { extra: 1 }
        ));
        let mut newer = file.clone();
        newer[6] = 2;
        assert!(matches!(try_open(&newer), SealError::UnknownVersion { found: 2 }));
    }

    #[test]
    fn every_flipped_byte_is_noticed_as_an_accident_and_as_a_forgery() {
        let file = sealed(b"secret");
        for at in 0..file.len() {
            let mut bad = file.clone();
            bad[at] ^= 1;
            let accident = open(Kind::Seed, &bad, &password("right"));
            assert!(accident.is_err(), "byte {at}");
            if at >= HEADER {
                assert!(matches!(accident, Err(SealError::Damaged)), "byte {at}");
            }
            if at >= file.len() - DIGEST {
                continue;
            }
            redigest(&mut bad);
            let forged = open(Kind::Seed, &bad, &password("right")).unwrap_err();
            match at {
                0..6 => assert!(matches!(forged, SealError::NotSealed)),
                6 => assert!(matches!(forged, SealError::UnknownVersion { .. })),
                7 => assert!(matches!(forged, SealError::WrongKind { .. })),
                // Salt and nonce: the first changes the key, the second only the cipher.
                20..36 => assert!(matches!(forged, SealError::WrongPassword)),
                36..60 => assert!(matches!(forged, SealError::Tampered)),
                60..76 => assert!(matches!(forged, SealError::WrongPassword)),
                _ if at >= HEADER => assert!(matches!(forged, SealError::Tampered)),
                _ => {}
            }
        }
    }

    #[test]
    fn a_hostile_file_cannot_ask_for_the_moon() {
        let file = sealed(b"secret");
        for (at, value) in [
            (8, u32::MAX),
            (8, MAX_MEMORY + 1),
            (8, 7),
            (12, MAX_PASSES + 1),
            (12, 0),
            (16, 17),
            (16, 0),
        ] {
            let mut bad = file.clone();
            bad[at..at + 4].copy_from_slice(&value.to_be_bytes());
            redigest(&mut bad);
            let error = open(Kind::Seed, &bad, &password("right")).unwrap_err();
            assert!(matches!(error, SealError::Cost { .. }), "{at}: {error}");
        }
        let mut long = file;
        long[HEADER - 8..HEADER].copy_from_slice(&u64::MAX.to_be_bytes());
        assert!(matches!(
            open(Kind::Seed, &long, &password("right")),
            Err(SealError::Truncated { .. })
        ));
    }
}
