//! The market's own random numbers: xoshiro256++ seeded through splitmix64 (Blackman and Vigna, public domain).
//!
//! WHY NOT the `rand` crate: its streams may change between releases, and the same seed has to give the same
//! bytes in five years. For the same reason nothing here calls the platform's `ln` or `exp`; additions,
//! multiplications and square roots are exact everywhere.

/// A seeded generator.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: [u64; 4],
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut at = seed;
        let state = std::array::from_fn(|_| {
            at = at.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = (at ^ (at >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^ (mixed >> 31)
        });
        Self { state }
    }

    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// A number in `0..bound`; the bias of 2^-32 and less is of no interest here.
    #[inline]
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        (((self.next() >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// A number in `low..=high`.
    #[inline]
    pub(crate) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high - low + 1)
    }

    /// True in `percent` of 100 cases.
    #[inline]
    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// A number in `0.0..1.0`.
    #[inline]
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A bell-shaped number in `-2.0..2.0` with mean 0: the sum of four uniform ones, two to a draw.
    #[inline]
    pub(crate) fn bell(&mut self) -> f64 {
        const SCALE: f64 = 1.0 / (1u64 << 32) as f64;
        let (first, second) = (self.next(), self.next());
        let sum = (first >> 32) + (first & 0xFFFF_FFFF) + (second >> 32) + (second & 0xFFFF_FFFF);
        sum as f64 * SCALE - 2.0
    }

    /// An element of a list that is not empty.
    #[inline]
    pub(crate) fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u32) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_numbers() {
        let (mut a, mut b, mut c) = (Random::new(7), Random::new(7), Random::new(8));
        let numbers: Vec<u64> = (0..8).map(|_| a.next()).collect();
        assert_eq!(numbers, (0..8).map(|_| b.next()).collect::<Vec<_>>());
        assert_ne!(numbers, (0..8).map(|_| c.next()).collect::<Vec<_>>());
    }

    #[test]
    fn ranges_hold_and_are_centred() {
        let mut random = Random::new(1);
        let mut sum = 0.0;
        for _ in 0..100_000 {
            assert!((3..=9).contains(&random.between(3, 9)));
            assert!((0.0..1.0).contains(&random.unit()));
            let bell = random.bell();
            assert!((-2.0..2.0).contains(&bell));
            sum += bell;
        }
        assert!((sum / 100_000.0).abs() < 0.01, "{sum}");
    }
}
