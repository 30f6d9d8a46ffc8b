//! Slips in inputs: those of fingers, of editors and of templates, and some of bytes alone. The same in every run.

/// Makes them.
pub(crate) struct Slips<'a> {
    inputs: &'a [Vec<u8>],
    words: Vec<Vec<u8>>,
    random: u64,
}

/// What belongs to the syntax of something.
const USUAL: [&str; 30] = [
    " ",
    "\t",
    "\n",
    "\r\n",
    ":",
    ": ",
    "- ",
    "#",
    "'",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    "\\",
    "&a ",
    "*a",
    "|",
    "%",
    "\u{0}",
    "\u{1b}[2J",
    "é",
    "\u{1f600}",
    "\u{202e}",
    "\u{feff}",
    "null",
    "-1",
    "99999999999999999999",
    "1e999",
];

impl<'a> Slips<'a> {
    /// In these inputs, with words of this dictionary, which has libFuzzer's form.
    pub(crate) fn new(inputs: &'a [Vec<u8>], dictionary: &str) -> Self {
        let mut words: Vec<Vec<u8>> = USUAL.iter().map(|word| word.as_bytes().to_vec()).collect();
        words.extend(dictionary.lines().filter_map(word));
        Self { inputs, words, random: 0x9e37_79b9_7f4a_7c15 }
    }

    /// The next input, with one to four slips in it.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let mut input = self.inputs[self.below(self.inputs.len())].clone();
        for _ in 0..=self.below(4) {
            self.slip(&mut input);
        }
        input
    }

    fn slip(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let end = (at + 1 + self.below(16)).min(input.len());
        match self.below(12) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..end)),
            2 => {
                let again = input[at..end].to_vec();
                let to = self.below(input.len() + 1);
                input.splice(to..to, again);
            }
            3 if at < input.len() => input[at] ^= 1 << self.below(8),
            4 => {
                let byte = self.next_number().to_le_bytes()[0];
                input.insert(at, byte);
            }
            5 => {
                // The rest of another one.
                let other = self.below(self.inputs.len());
                let other = &self.inputs[other];
                let from = self.below(other.len() + 1);
                input.splice(at.., other[from..].iter().copied());
            }
            6..9 => self.slip_in_a_line(input),
            _ => {
                let word = self.word();
                let to = if self.below(2) == 0 { at } else { end.max(at) };
                input.splice(at..to, word);
            }
        }
    }

    /// A line is gone, there twice, indented more or not at all, has a key in the way of another file, or another
    /// value.
    fn slip_in_a_line(&mut self, input: &mut Vec<u8>) {
        let mut lines: Vec<Vec<u8>> =
            input.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let at = self.below(lines.len());
        match self.below(6) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[at].clone()),
            2 => {
                let indents = [&b" "[..], b"  ", b"\t", b"- "];
                let indent = indents[self.below(indents.len())];
                lines[at].splice(0..0, indent.iter().copied());
            }
            3 => {
                let indent = lines[at].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                drop(lines[at].drain(..indent));
            }
            4 => {
                let dash = lines[at].iter().position(|byte| matches!(byte, b'_' | b'-'));
                if let Some(byte) = dash.and_then(|dash| lines[at].get_mut(dash)) {
                    *byte = if *byte == b'_' { b'-' } else { b'_' };
                }
            }
            _ => {
                let colon = lines[at].iter().position(|byte| *byte == b':');
                let from = colon.map_or(0, |colon| colon + 1);
                let word = self.word();
                lines[at].splice(from.., [b" ".to_vec(), word].concat());
            }
        }
        *input = lines.join(&b'\n');
    }

    fn word(&mut self) -> Vec<u8> {
        let at = self.below(self.words.len());
        self.words[at].clone()
    }

    /// xorshift.
    fn next_number(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next_number() >> 33).expect("31 bits") % limit.max(1)
    }
}

/// The bytes of a line such as `"\x0d\x0a"`, or `name="key: "`.
fn word(line: &str) -> Option<Vec<u8>> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let (_, rest) = line.split_once('"')?;
    let quoted = rest.strip_suffix('"')?.as_bytes();
    let (mut bytes, mut at) = (Vec::new(), 0);
    while at < quoted.len() {
        match (quoted[at], quoted.get(at + 1)) {
            (b'\\', Some(b'x')) => {
                let digits = std::str::from_utf8(quoted.get(at + 2..at + 4)?).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                at += 4;
            }
            (b'\\', Some(escaped)) => {
                bytes.push(*escaped);
                at += 2;
            }
            (byte, _) => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    Some(bytes)
}
