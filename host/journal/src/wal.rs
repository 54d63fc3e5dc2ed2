//! Reads a write-ahead log as it lies on the disk, and tells a torn tail from damage. SQLite takes both for the end.
//!
//! A log is a header and frames; a frame is a page with a small header of its own. The last frame of a transaction says so.
//! Every frame carries a checksum over everything from the header on, which goes on from that of the frame before: behind a
//! frame that does not check out, the frames still can be checked, each from what the one before it says its checksum is.
//! Two random numbers (salts) mark the frames of one generation; those of older ones lie behind the end and mean nothing.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

mod judge;
#[cfg(test)]
mod tests;

pub(crate) use judge::{Boot, Verdict, judge};

pub(crate) const HEADER_BYTES: u64 = 32;
pub(crate) const FRAME_HEADER_BYTES: u64 = 24;

/// The first four bytes of a log; the last bit says in which order of bytes its checksums are.
const MAGIC: u32 = 0x377f_0682;

/// The largest page that SQLite knows.
const PAGE_BYTES_MAX: u32 = 65_536;

/// A log as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wal {
    /// Bytes of the file.
    pub(crate) bytes: u64,
    /// Whether its header checks out. Where it does not, its generation is that of the first frame.
    pub(crate) header_holds: bool,
    /// Bytes of a page.
    pub(crate) page_bytes: u32,
    /// What marks this generation.
    pub(crate) salts: [u32; 2],
    /// Frames of this generation that check out one after another, from the first.
    pub(crate) good: u64,
    /// Those of them up to the last that ends a transaction.
    pub(crate) committed: u64,
    /// Pages of the database after that transaction; 0 where there is none.
    pub(crate) pages: u32,
    /// For each page in those, the last frame that has it.
    pub(crate) latest: HashMap<u32, u64>,
    /// What lies behind the good frames.
    pub(crate) behind: Behind,
}

/// Frames of one generation behind the first that does not check out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Behind {
    /// How many, the bad one included where it is of this generation.
    pub(crate) frames: u64,
    /// Transactions that end there, by frames that check out from the one before.
    pub(crate) commits: u64,
    /// Whether the bad frame itself claims to end a transaction.
    pub(crate) bad_commits: bool,
    /// For each page in them, the last frame that has it, up to the last that ends a transaction; and the pages of the
    /// database after it.
    pub(crate) latest: HashMap<u32, u64>,
    pub(crate) pages: u32,
}

impl Wal {
    /// Reads the log at a path; an empty one where there is no file.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        match File::open(path) {
            Ok(file) => {
                let bytes = file.metadata()?.len();
                scan(&mut BufReader::with_capacity(1 << 20, file), bytes)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Where a frame begins in the file.
    pub(crate) fn offset(&self, frame: u64) -> u64 {
        HEADER_BYTES + frame * (FRAME_HEADER_BYTES + u64::from(self.page_bytes))
    }
}

/// What marks the generation of a log, from its first bytes; none where those are not a header.
pub(crate) fn salts(bytes: &[u8]) -> Option<[u32; 2]> {
    let wal = scan(&mut &*bytes, 0).ok()?;
    wal.header_holds.then_some(wal.salts)
}

/// A frame's own header.
#[derive(Debug, Clone, Copy)]
struct FrameHeader {
    page: u32,
    /// Pages of the database, where the frame ends a transaction; else 0.
    pages: u32,
    salts: [u32; 2],
    sum: Sum,
}

fn scan(file: &mut impl Read, bytes: u64) -> io::Result<Wal> {
    let mut wal = Wal { bytes, ..Wal::default() };
    let Some(header) = take::<32>(file)? else { return Ok(wal) };
    let [magic, _, page_bytes, _, salt1, salt2, sum1, sum2] = words(&header);
    let order = if magic & 1 == 0 { Order::Little } else { Order::Big };
    let sum = order.add(Sum::default(), header.get(..24).unwrap_or_default());
    wal.header_holds = magic & !1 == MAGIC && sum == Sum(sum1, sum2) && usable(page_bytes);
    // A header that does not hold may stand before frames that do; those have pages of our size.
    wal.page_bytes = if usable(page_bytes) { page_bytes } else { crate::schema::PAGE_BYTES };
    wal.salts = [salt1, salt2];
    frames(file, &mut wal, order, Sum(sum1, sum2))?;
    Ok(wal)
}

fn usable(page_bytes: u32) -> bool {
    page_bytes.is_power_of_two() && (512..=PAGE_BYTES_MAX).contains(&page_bytes)
}

fn frames(file: &mut impl Read, wal: &mut Wal, order: Order, header_sum: Sum) -> io::Result<()> {
    let mut page = vec![0; usize::try_from(wal.page_bytes).unwrap_or_default()];
    let mut before = header_sum;
    let (mut chained, mut open) = (wal.header_holds, HashMap::new());
    for frame in 0.. {
        let Some(head) = take::<24>(file)? else { break };
        if !fill(file, &mut page)? {
            wal.behind.frames += u64::from(chained);
            break;
        }
        let [number, pages, salt1, salt2, sum1, sum2] = words(&head);
        let header = FrameHeader { page: number, pages, salts: [salt1, salt2], sum: Sum(sum1, sum2) };
        if frame == 0 && !wal.header_holds {
            wal.salts = header.salts;
        }
        let ours = header.salts == wal.salts && number != 0;
        let sum = order.add(order.add(before, head.get(..8).unwrap_or_default()), &page);
        let holds = ours && sum == header.sum;
        if chained && !holds {
            // What is open stays open: the transaction may end further on.
            chained = false;
            wal.behind.bad_commits = ours && pages != 0;
        }
        if chained {
            wal.note_good(frame, header, &mut open);
        } else if ours {
            wal.behind.note(frame, header, holds, &mut open);
        }
        before = header.sum;
    }
    Ok(())
}

impl Wal {
    fn note_good(&mut self, frame: u64, header: FrameHeader, open: &mut HashMap<u32, u64>) {
        self.good = frame + 1;
        open.insert(header.page, frame);
        if header.pages != 0 {
            self.committed = frame + 1;
            self.pages = header.pages;
            self.latest.extend(open.drain());
        }
    }
}

impl Behind {
    fn note(&mut self, frame: u64, header: FrameHeader, holds: bool, open: &mut HashMap<u32, u64>) {
        self.frames += 1;
        open.insert(header.page, frame);
        if holds && header.pages != 0 {
            self.commits += 1;
            self.pages = header.pages;
            self.latest.extend(open.drain());
        }
    }
}

/// A running checksum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum(u32, u32);

/// In which order of bytes the checksums of a log were made.
#[derive(Debug, Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn add(self, sum: Sum, bytes: &[u8]) -> Sum {
        let (pairs, _) = bytes.as_chunks::<8>();
        pairs.iter().fold(sum, |Sum(first, second), &[a, b, c, d, e, f, g, h]| {
            let (low, high) = match self {
                Self::Little => (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])),
                Self::Big => (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])),
            };
            let first = first.wrapping_add(low).wrapping_add(second);
            Sum(first, second.wrapping_add(high).wrapping_add(first))
        })
    }
}

fn words<const B: usize, const N: usize>(bytes: &[u8; B]) -> [u32; N] {
    let mut words = [0; N];
    let (chunks, _) = bytes.as_chunks::<4>();
    words.iter_mut().zip(chunks).for_each(|(word, chunk)| *word = u32::from_be_bytes(*chunk));
    words
}

/// The next bytes, if there are so many.
fn take<const N: usize>(file: &mut impl Read) -> io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    Ok(fill(file, &mut bytes)?.then_some(bytes))
}

fn fill(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
