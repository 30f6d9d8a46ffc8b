//! Bytes on their way out.

/// A buffer that is written at its end and taken from its beginning. Its memory is used again and
/// again, and never filled with zeroes twice: that would be a good part of the work.
#[derive(Debug, Default)]
pub struct Out {
    /// Only the first `end` bytes are meant.
    bytes: Vec<u8>,
    end: usize,
}

impl Out {
    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.end
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// What waits.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.end]
    }

    /// How much memory it holds.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    #[inline]
    pub(super) fn push(&mut self, byte: u8) {
        self.extend(&[byte]);
    }

    #[inline]
    pub(super) fn extend(&mut self, more: &[u8]) {
        self.room(more.len())[..more.len()].copy_from_slice(more);
        self.end += more.len();
    }

    /// Room for at least so many bytes; [`wrote`](Self::wrote) tells how many were written.
    pub(super) fn room(&mut self, least: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < least {
            let size = (self.end + least).next_power_of_two();
            self.bytes.resize(size, 0);
        }
        &mut self.bytes[self.end..]
    }

    pub(super) fn wrote(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
    }

    /// Forgets the first so many bytes.
    pub fn forget(&mut self, count: usize) {
        self.bytes.copy_within(count..self.end, 0);
        self.end -= count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_comes_out_in_its_order() {
        let mut out = Out::default();
        out.extend(b"one, ");
        out.room(10)[..5].copy_from_slice(b"two, ");
        out.wrote(5);
        out.push(b'3');
        assert_eq!((out.bytes(), out.len()), (&b"one, two, 3"[..], 11));
        out.forget(5);
        assert_eq!(out.bytes(), b"two, 3");
        let size = out.size();
        out.forget(6);
        assert!(out.is_empty() && out.bytes().is_empty());
        out.extend(&[b'x'; 16]);
        assert_eq!(out.size(), size, "the same memory");
    }
}
