//! BabyJubJub in circomlib's form: the curve on which a hunter hands a key to a provider.
//!
//! `a·x² + y² = 1 + d·x²·y²` over the scalar field of BN254 with a = 168700, d = 168696. The group
//! has order 8·l; [`base8`] generates the subgroup of prime order l.
//!
//! a is a square and d is not, so the addition law is **complete** (Bernstein et al. 2008,
//! eprint 2008/013, section 6): one formula adds, doubles and meets the identity, for every pair of
//! points on the curve, and no denominator is ever zero. Off the curve nothing of this holds, which
//! is why every entry point here and the circuit check membership first.
//!
//! A provider's key is `PK = k·B8`. The chain stores `8·PK`, which lies in the subgroup whatever
//! point was handed in; statements speak of that stored point, and the provider multiplies by 8 on
//! its side as well.
//!
//! Scalar multiplication here does the same group operations for every scalar. The field
//! arithmetic below it is a library's and makes no constant-time promise.

use crate::field::Fr;
use crate::ids::JubPoint;
use ark_ff::{BigInt, BigInteger, BigInteger256, Field, Fp256, MontBackend, MontFp, One, PrimeField, Zero};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Coefficient of x².
pub const A: Fr = MontFp!("168700");
/// Coefficient of x²y².
pub const D: Fr = MontFp!("168696");
/// Curve points per point of the prime-order subgroup.
pub const COFACTOR: u64 = 8;
/// Bits of the subgroup order l.
pub const ORDER_BITS: usize = 251;

#[allow(
    unexpected_cfgs,
    reason = "the derive asks for a feature `asm` of the crate it expands in"
)]
mod order {
    use ark_ff::MontConfig;

    /// Configuration of the integers modulo the subgroup order l.
    #[derive(MontConfig)]
    #[modulus = "2736030358979909402780800718157159386076813972158567259200215660948447373041"]
    #[generator = "31"]
    pub struct OrderConfig;
}
pub use order::OrderConfig;

/// An integer modulo the subgroup order l.
pub type Scalar = Fp256<MontBackend<OrderConfig, 4>>;

/// The subgroup order l as an integer.
pub const ORDER: BigInteger256 = Scalar::MODULUS;

/// circomlib's `Base8`, generator of the subgroup.
pub fn base8() -> JubPoint {
    JubPoint {
        x: MontFp!("5299619240641551281634865583518297030282874472190772894086521144482721001553"),
        y: MontFp!("16950150798460657717958625567821834550301663161624707787222815936182638968203"),
    }
}

/// The neutral element.
pub fn identity() -> JubPoint {
    JubPoint {
        x: Fr::zero(),
        y: Fr::one(),
    }
}

/// Why a point is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JubError {
    #[error("the point is not on BabyJubJub")]
    OffCurve,
    #[error("the point is the identity or has small order, so its shared secrets are guessable")]
    SmallOrder,
    #[error("the point is outside the prime-order subgroup; use the stored key, which is a multiple of 8")]
    OutsideSubgroup,
}

/// Whether the curve equation holds.
pub fn is_on_curve(p: &JubPoint) -> bool {
    let (x2, y2) = (p.x.square(), p.y.square());
    A * x2 + y2 == Fr::one() + D * x2 * y2
}

/// Homogeneous coordinates, so that a multiplication costs one inversion.
#[derive(Clone, Copy, Zeroize)]
struct Projective {
    x: Fr,
    y: Fr,
    z: Fr,
}

impl Projective {
    fn new(p: &JubPoint) -> Self {
        Self {
            x: p.x,
            y: p.y,
            z: Fr::one(),
        }
    }

    /// "add-2008-bbjlp", eprint 2008/013 section 6: complete for this curve.
    fn add(&self, o: &Self) -> Self {
        let a = self.z * o.z;
        let b = a.square();
        let c = self.x * o.x;
        let d = self.y * o.y;
        let e = D * c * d;
        let (f, g) = (b - e, b + e);
        Self {
            x: a * f * ((self.x + self.y) * (o.x + o.y) - c - d),
            y: a * g * (d - A * c),
            z: f * g,
        }
    }

    /// `self` for bit 0, `o` for bit 1, without a branch on the bit.
    fn select(&self, o: &Self, bit: Fr) -> Self {
        Self {
            x: self.x + bit * (o.x - self.x),
            y: self.y + bit * (o.y - self.y),
            z: self.z + bit * (o.z - self.z),
        }
    }

    /// Affine form. z is never zero for points on the curve; off it the result is not on it either.
    fn affine(&self) -> JubPoint {
        let inverse = self.z.inverse().unwrap_or(Fr::zero());
        JubPoint {
            x: self.x * inverse,
            y: self.y * inverse,
        }
    }
}

/// `p + q`, complete for points on the curve.
pub fn add(p: &JubPoint, q: &JubPoint) -> JubPoint {
    Projective::new(p).add(&Projective::new(q)).affine()
}

/// `n·p` for any 256-bit integer `n`: one doubling and one addition per bit, all 256 of them.
pub fn mul_integer(p: &JubPoint, n: &BigInteger256) -> JubPoint {
    let base = Projective::new(p);
    let mut acc = Projective::new(&identity());
    for i in (0..256).rev() {
        acc = acc.add(&acc);
        let more = acc.add(&base);
        acc = acc.select(&more, Fr::from(u64::from(n.get_bit(i))));
    }
    let out = acc.affine();
    acc.zeroize();
    out
}

/// `8·p`: moves any curve point into the prime-order subgroup.
pub fn mul_cofactor(p: &JubPoint) -> JubPoint {
    let mut acc = *p;
    for _ in 0..COFACTOR.trailing_zeros() {
        acc = add(&acc, &acc);
    }
    acc
}

/// Checks that `p` is on the curve, in the prime-order subgroup, and not the identity.
///
/// # Errors
/// The property that fails, as [`JubError`].
pub fn check_subgroup(p: &JubPoint) -> Result<(), JubError> {
    if !is_on_curve(p) {
        return Err(JubError::OffCurve);
    }
    if mul_cofactor(p) == identity() {
        return Err(JubError::SmallOrder);
    }
    if mul_integer(p, &ORDER) != identity() {
        return Err(JubError::OutsideSubgroup);
    }
    Ok(())
}

/// The point the chain stores for a key handed in by a provider: checked, times the cofactor.
///
/// # Errors
/// [`JubError::OffCurve`], and [`JubError::SmallOrder`] for the identity and the other points whose
/// multiple by 8 is the identity.
pub fn stored_key(handed_in: &JubPoint) -> Result<JubPoint, JubError> {
    if !is_on_curve(handed_in) {
        return Err(JubError::OffCurve);
    }
    let p = mul_cofactor(handed_in);
    if p == identity() {
        return Err(JubError::SmallOrder);
    }
    Ok(p)
}

/// A secret scalar below the subgroup order. Never printed, zeroed on drop.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct SecretScalar(Scalar);

impl SecretScalar {
    /// Reduces 64 uniform bytes; `None` for the one residue, zero, that is no key.
    pub fn from_uniform(b: &[u8; 64]) -> Option<Self> {
        let s = Scalar::from_be_bytes_mod_order(b);
        (!s.is_zero()).then_some(Self(s))
    }

    /// `self·p`.
    pub fn mul(&self, p: &JubPoint) -> JubPoint {
        let mut n = self.0.into_bigint();
        let out = mul_integer(p, &n);
        n.zeroize();
        out
    }

    /// Hands the secret out, for a witness.
    pub fn expose(&self) -> BigInteger256 {
        self.0.into_bigint()
    }
}

impl std::fmt::Debug for SecretScalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretScalar(..)")
    }
}

/// A provider's decryption key `k`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderKey(SecretScalar);

impl ProviderKey {
    /// A key from 64 uniform bytes, such as the output of a key-derivation function; `None` in the
    /// negligible case that they reduce to zero.
    pub fn from_uniform(b: &[u8; 64]) -> Option<Self> {
        SecretScalar::from_uniform(b).map(Self)
    }

    /// `PK = k·B8`: what the provider hands to the market.
    pub fn public(&self) -> JubPoint {
        self.0.mul(&base8())
    }

    /// `8·PK`: what the market stores and statements name.
    pub fn stored(&self) -> JubPoint {
        mul_cofactor(&self.public())
    }

    /// `S = 8k·epk`, the point a hunter reached as `e·(8·PK)`.
    ///
    /// # Errors
    /// [`JubError`] when `epk` is off the curve or has small order.
    pub fn shared(&self, epk: &JubPoint) -> Result<JubPoint, JubError> {
        let cleared = stored_key(epk)?;
        Ok(self.0.mul(&cleared))
    }
}

/// l − 1 in bits, most significant first: the largest scalar, for range checks.
pub fn order_minus_one_bits() -> [bool; ORDER_BITS] {
    let mut n = ORDER;
    n.sub_with_borrow(&BigInt::from(1u64));
    std::array::from_fn(|i| n.get_bit(ORDER_BITS - 1 - i))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::AdditiveGroup;
    use std::str::FromStr;

    fn point(x: &str, y: &str) -> JubPoint {
        JubPoint {
            x: Fr::from_str(x).unwrap(),
            y: Fr::from_str(y).unwrap(),
        }
    }

    fn p1() -> JubPoint {
        point(
            "17777552123799933955779906779655732241715742912184938656739573121738514868268",
            "2626589144620713026669568689430873010625803728049924121243784502389097019475",
        )
    }

    /// Vectors of EIP-2494, recomputed with circomlibjs 0.1.7 (`buildBabyjub`).
    #[test]
    fn additions_match_circomlibjs() {
        let p2 = point(
            "16540640123574156134436876038791482806971768689494387082833631921987005038935",
            "20819045374670962167435360035096875258406992893633759881276124905556507972311",
        );
        assert_eq!(
            add(&p1(), &p2),
            point(
                "7916061937171219682591368294088513039687205273691143098332585753343424131937",
                "14035240266687799601661095864649209771790948434046947201833777492504781204499",
            )
        );
        assert_eq!(
            add(&p1(), &p1()),
            point(
                "6890855772600357754907169075114257697580319025794532037257385534741338397365",
                "4338620300185947561074059802482547481416142213883829469920100239455078257889",
            )
        );
        assert_eq!(add(&p1(), &identity()), p1());
    }

    #[test]
    fn multiplications_match_circomlibjs() {
        assert_eq!(
            mul_integer(&p1(), &ark_ff::BigInt!("3")),
            point(
                "19372461775513343691590086534037741906533799473648040012278229434133483800898",
                "9458658722007214007257525444427903161243386465067105737478306991484593958249",
            )
        );
        assert_eq!(
            mul_integer(
                &p1(),
                &ark_ff::BigInt!("14035240266687799601661095864649209771790948434046947201833777492504781204499")
            ),
            point(
                "17070357974431721403481313912716834497662307308519659060910483826664480189605",
                "4014745322800118607127020275658861516666525056516280575712425373174125159339",
            )
        );
        assert_eq!(
            mul_integer(&base8(), &ark_ff::BigInt!("123456789")),
            point(
                "15919299401931535325513703139194931338293993994510664661086800834970360591752",
                "1645780246786685895560641778865228215443840970280597910012614014295481144366",
            )
        );
        let generator = point(
            "995203441582195749578291179787384436505546430278305826713579947235728471134",
            "5472060717959818805561601436314318772137091100104008585924551046643952123905",
        );
        assert_eq!(mul_cofactor(&generator), base8());
        assert_eq!(check_subgroup(&generator), Err(JubError::OutsideSubgroup));
    }

    #[test]
    fn base_point_has_prime_order_and_the_law_is_complete() {
        assert_eq!(check_subgroup(&base8()), Ok(()));
        assert_eq!(mul_integer(&base8(), &ORDER), identity());
        // a = s² and d has no root: the premises of completeness.
        assert_eq!(A.legendre(), ark_ff::LegendreSymbol::QuadraticResidue);
        assert_eq!(D.legendre(), ark_ff::LegendreSymbol::QuadraticNonResidue);
        // Exceptional cases of other formulas: P − P, O + O, and the point of order 2.
        let minus = JubPoint {
            x: -base8().x,
            y: base8().y,
        };
        assert_eq!(add(&base8(), &minus), identity());
        assert_eq!(add(&identity(), &identity()), identity());
        let two = JubPoint {
            x: Fr::zero(),
            y: -Fr::one(),
        };
        assert_eq!(add(&two, &two), identity());
    }

    #[test]
    fn bad_provider_keys_are_refused() {
        let off = JubPoint {
            x: Fr::from(1u64),
            y: Fr::from(2u64),
        };
        assert_eq!(stored_key(&off), Err(JubError::OffCurve));
        assert_eq!(stored_key(&identity()), Err(JubError::SmallOrder));
        let two = JubPoint {
            x: Fr::zero(),
            y: -Fr::one(),
        };
        assert_eq!(stored_key(&two), Err(JubError::SmallOrder));
        // Order 4: y = 0, x = 1/√a.
        let four = JubPoint {
            x: A.sqrt().unwrap().inverse().unwrap(),
            y: Fr::zero(),
        };
        assert!(is_on_curve(&four));
        assert_eq!(stored_key(&four), Err(JubError::SmallOrder));
        // A subgroup point plus one of order 2 is stored as a clean point.
        let mixed = add(&base8(), &two);
        assert_eq!(check_subgroup(&mixed), Err(JubError::OutsideSubgroup));
        assert_eq!(check_subgroup(&stored_key(&mixed).unwrap()), Ok(()));
    }

    #[test]
    fn both_sides_reach_the_same_point_and_keys_print_nothing() {
        let provider = ProviderKey::from_uniform(&[7; 64]).unwrap();
        let e = SecretScalar::from_uniform(&[9; 64]).unwrap();
        let epk = e.mul(&base8());
        assert_eq!(provider.shared(&epk).unwrap(), e.mul(&provider.stored()));
        assert_eq!(stored_key(&provider.public()), Ok(provider.stored()));
        assert_eq!(
            format!("{provider:?} {e:?}"),
            "ProviderKey(SecretScalar(..)) SecretScalar(..)"
        );
        assert!(SecretScalar::from_uniform(&[0; 64]).is_none());
    }

    #[test]
    fn order_bits_spell_the_order() {
        let mut n = Scalar::zero();
        for b in order_minus_one_bits() {
            n = n.double() + Scalar::from(u64::from(b));
        }
        assert_eq!(n, -Scalar::one());
        assert!(order_minus_one_bits()[0]);
    }
}
