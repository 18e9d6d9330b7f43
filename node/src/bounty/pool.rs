//! Cut and choose: a pool of shards behind one Merkle root, of which a beacon makes some public.
//!
//! * [`Pool`]: the owner's side, which knows every digest and the salt.
//! * [`Opening`]: one leaf with the way to the root; whoever knows the root can check it.
//! * [`pick`]: which shards the beacon means.
//!
//! The same tree and the same choice as `contracts/src/libraries/Pool.sol`; the story on the embedded chain
//! fails when the two differ.

use alloy::primitives::{Address, B256, U256, keccak256};

/// Most shards of a pool, as the market allows.
pub const MOST: usize = 256;

fn tag(name: &str) -> B256 {
    keccak256(format!("zkaggle/v1/{name}"))
}

fn number(n: u64) -> B256 {
    U256::from(n).into()
}

/// keccak256 over `abi.encode` of static words.
fn hash(words: &[B256]) -> B256 {
    keccak256(words.concat())
}

fn leaf(j: u64, salt: B256, digest: B256) -> B256 {
    hash(&[tag("LEAF"), number(j), salt, digest])
}

fn node(left: B256, right: B256) -> B256 {
    hash(&[tag("NODE"), left, right])
}

/// Levels above the leaves of a tree of `size` leaves.
fn depth(size: usize) -> usize {
    size.next_power_of_two().trailing_zeros() as usize
}

/// A leaf of a pool's tree and its siblings, from the leaf up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    pub index: u16,
    pub salt: B256,
    pub digest: B256,
    pub path: Vec<B256>,
}

impl Opening {
    /// Whether it opens a place in the pool of `size` shards under `root`.
    pub fn opens(&self, root: B256, size: usize) -> bool {
        let j = usize::from(self.index);
        if j >= size || self.path.len() != depth(size) {
            return false;
        }
        let mut at = leaf(j as u64, self.salt, self.digest);
        for (level, sibling) in self.path.iter().enumerate() {
            at = match (j >> level) & 1 {
                0 => node(at, *sibling),
                _ => node(*sibling, at),
            };
        }
        at == root
    }
}

/// The shards that an owner commits to, with what hides them.
pub struct Pool {
    salt: B256,
    digests: Vec<B256>,
    /// Leaves first; the last level is the root alone.
    levels: Vec<Vec<B256>>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither salt nor digests: they are what the root hides.
        f.debug_struct("Pool")
            .field("shards", &self.digests.len())
            .field("root", &self.root())
            .finish_non_exhaustive()
    }
}

impl Pool {
    /// The tree over shards in the manifest's order. `salt` is what opens the hold-out at the reveal; the salt of each
    /// leaf follows from it and tells nothing of the others.
    pub fn new(salt: [u8; 32], digests: &[[u8; 32]]) -> Self {
        let salt = B256::from(salt);
        let digests: Vec<B256> = digests.iter().map(|d| B256::from(*d)).collect();
        let leaves = (0u64..).zip(&digests).map(|(j, d)| leaf(j, leaf_salt(salt, j), *d));
        let mut levels = vec![leaves.collect::<Vec<_>>()];
        for _ in 0..depth(digests.len()) {
            let below = levels.last().map(Vec::as_slice).unwrap_or_default();
            let pair = |p: &[B256]| match p {
                [left, right] => node(*left, *right),
                _ => node(p.first().copied().unwrap_or_default(), B256::ZERO),
            };
            levels.push(below.chunks(2).map(pair).collect());
        }
        Self { salt, digests, levels }
    }

    /// What a bounty names as its hold-out.
    pub fn root(&self) -> B256 {
        self.levels.last().and_then(|l| l.first()).copied().unwrap_or_default()
    }

    /// Opens one place; none outside the pool.
    pub fn open(&self, index: u16) -> Option<Opening> {
        let j = usize::from(index);
        let digest = *self.digests.get(j)?;
        let below = self.levels.split_last().map(|(_, below)| below).unwrap_or_default();
        let path = below.iter().enumerate().map(|(level, nodes)| {
            // A level of odd size is filled up with one zero.
            nodes.get((j >> level) ^ 1).copied().unwrap_or_default()
        });
        Some(Opening {
            index,
            salt: leaf_salt(self.salt, j as u64),
            digest,
            path: path.collect(),
        })
    }
}

fn leaf_salt(salt: B256, j: u64) -> B256 {
    hash(&[tag("LEAF_SALT"), salt, number(j)])
}

/// Where a draw takes place: what the beacon's word is hashed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub chain_id: u64,
    pub market: Address,
    pub bounty: u64,
    /// The pool's root.
    pub root: B256,
}

/// Which `count` of `size` shards a beacon makes public, as bits.
pub fn pick(place: &Place, beacon: B256, size: usize, count: usize) -> U256 {
    let seed = hash(&[
        tag("DRAW"),
        beacon,
        number(place.chain_id),
        place.market.into_word(),
        number(place.bounty),
        place.root,
    ]);
    let mut order: Vec<usize> = (0..size.min(MOST)).collect();
    let mut picked = U256::ZERO;
    for i in 0..count.min(order.len()) {
        let word: U256 = hash(&[seed, number(i as u64)]).into();
        let rest = U256::from(order.len() - i);
        let j = i + (word % rest).to::<usize>();
        order.swap(i, j);
        picked.set_bit(order[i], true);
    }
    picked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(n: u8) -> Vec<[u8; 32]> {
        (0..n).map(|i| [i + 1; 32]).collect()
    }

    #[test]
    fn every_place_of_every_size_opens_and_nothing_else_does() {
        for n in 1..=9u8 {
            let pool = Pool::new([7; 32], &digests(n));
            let size = usize::from(n);
            for j in 0..u16::from(n) {
                let good = pool.open(j).unwrap();
                assert!(good.opens(pool.root(), size), "{j} of {n}");
                assert!(!good.opens(pool.root(), 2 * size), "a longer path was not asked for");
                assert!(!good.opens(B256::ZERO, size));
                let changed: [fn(&mut Opening); 4] = [
                    |o| o.digest.0[31] ^= 1,
                    |o| o.salt.0[0] ^= 1,
                    |o| o.index ^= 1,
                    |o| o.path.push(B256::ZERO),
                ];
                for (k, change) in changed.iter().enumerate() {
                    let mut bad = good.clone();
                    change(&mut bad);
                    assert!(!bad.opens(pool.root(), size), "{j} of {n}, change {k}");
                }
                for level in 0..good.path.len() {
                    let mut bad = good.clone();
                    bad.path[level].0[5] ^= 1;
                    assert!(!bad.opens(pool.root(), size), "{j} of {n}, level {level}");
                }
            }
            assert!(pool.open(u16::from(n)).is_none());
        }
    }

    #[test]
    fn the_salt_hides_and_separates() {
        let (a, b) = (Pool::new([1; 32], &digests(4)), Pool::new([2; 32], &digests(4)));
        assert_ne!(a.root(), b.root());
        let salts: std::collections::BTreeSet<B256> = (0..4).map(|j| a.open(j).unwrap().salt).collect();
        assert_eq!(salts.len(), 4);
        assert!(!format!("{a:?}").contains("0101"), "the salt is printed");
    }

    #[test]
    fn a_choice_has_its_size_and_depends_on_everything() {
        let place = Place {
            chain_id: 31_337,
            market: Address::repeat_byte(1),
            bounty: 7,
            root: B256::repeat_byte(2),
        };
        let beacon = B256::repeat_byte(3);
        for (size, count) in [(2, 1), (7, 5), (256, 128), (256, 255), (3, 0)] {
            let p = pick(&place, beacon, size, count);
            assert_eq!(p.count_ones(), count);
            assert!(size == 256 || p < U256::ONE << size);
        }
        let whole = |place: &Place, beacon| pick(place, beacon, 256, 128);
        let one = whole(&place, beacon);
        let others = [
            Place { chain_id: 1, ..place },
            Place {
                market: Address::ZERO,
                ..place
            },
            Place { bounty: 8, ..place },
            Place {
                root: B256::ZERO,
                ..place
            },
        ];
        for other in others {
            assert_ne!(one, whole(&other, beacon), "{other:?}");
        }
        assert_ne!(one, whole(&place, B256::ZERO));
    }
}
