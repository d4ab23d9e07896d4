//! Deltas between objects of a pack (<https://git-scm.com/docs/gitformat-pack#_deltified_representation>).

/// The object that `delta` makes of `base`; `None` if the delta is damaged, or the object would be larger than `max_bytes`.
pub(super) fn apply(base: &[u8], delta: &[u8], max_bytes: u64) -> Option<Vec<u8>> {
    let (base_size, delta) = number(delta)?;
    let (size, mut delta) = number(delta)?;
    if base_size != base.len() as u64 || size > max_bytes {
        return None;
    }
    let size = usize::try_from(size).ok()?;
    let mut object = Vec::new();
    while let Some((&instruction, rest)) = delta.split_first() {
        let piece;
        if instruction & 0x80 == 0 {
            // 0 is reserved.
            let length = usize::from(instruction);
            (piece, delta) = rest.split_at_checked(length).filter(|_| length > 0)?;
        } else {
            let mut fields = Fields { instruction, rest };
            let begin = fields.read(&[0x01, 0x02, 0x04, 0x08])?;
            let length = match fields.read(&[0x10, 0x20, 0x40])? {
                0 => 0x10000,
                length => length,
            };
            piece = base.get(begin..begin.checked_add(length)?)?;
            delta = fields.rest;
        }
        if object.len() + piece.len() > size {
            return None;
        }
        object.extend_from_slice(piece);
    }
    (object.len() == size).then_some(object)
}

/// The bytes of an instruction to copy: only those that it names.
struct Fields<'a> {
    instruction: u8,
    rest: &'a [u8],
}

impl Fields<'_> {
    fn read(&mut self, bits: &[u8]) -> Option<usize> {
        let mut value = 0;
        for (index, bit) in bits.iter().enumerate() {
            if self.instruction & bit != 0 {
                let (&byte, rest) = self.rest.split_first()?;
                self.rest = rest;
                value |= usize::from(byte) << (8 * index);
            }
        }
        Some(value)
    }
}

/// Seven bits per byte, the lowest first.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    const MAX_BYTES: usize = 9;
    let end = bytes.iter().take(MAX_BYTES).position(|byte| byte & 0x80 == 0)?;
    let (number, rest) = bytes.split_at(end + 1);
    let digits = number.iter().enumerate();
    Some((
        digits.fold(0, |value, (index, byte)| {
            value | u64::from(byte & 0x7f) << (7 * index)
        }),
        rest,
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pieces_are_copied_and_inserted() {
        let base = b"0123456789";
        // From 10 to 7 bytes: copy 3 from 2, insert "ab", copy 2 from 0.
        let delta = [10, 7, 0x91, 2, 3, 2, b'a', b'b', 0x90, 2];
        assert_eq!(apply(base, &delta, 100), Some(b"234ab01".to_vec()));
        assert_eq!(apply(base, &delta, 6), None);
        assert_eq!(apply(b"012345678", &delta, 100), None);
        for damaged in [
            &delta[..9],
            &[10, 3, 0x91, 9, 3],
            &[10, 1, 0],
            &[10, 4, 0x91, 2, 3],
            &[0x80; 12],
            &[],
        ] {
            assert_eq!(apply(base, damaged, 100), None, "{damaged:?}");
        }
    }

    proptest! {
        #[test]
        fn any_delta_is_survived(
            base in proptest::collection::vec(any::<u8>(), 0..50),
            delta in proptest::collection::vec(any::<u8>(), 0..50),
        ) {
            if let Some(object) = apply(&base, &delta, 100) {
                prop_assert!(object.len() <= 100);
            }
        }
    }
}
