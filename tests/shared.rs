//! Writers and readers in processes of their own, over a file: every record and row that is read checks itself.
//!
//! `RINGTAPE_FULL=1` takes a hundred million records. The processes are this very test program, told by its environment
//! what it is.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use ringtape::ring::{BarPages, BarReader, EventRing, Latest, Words};

const ROLE: &str = "RINGTAPE_SHARED_TEST";
const WRITERS: u64 = 2;
const READERS: u64 = 4;
const SLOTS: usize = 4_096;
const RECORD: usize = 8;
const ROWS: usize = 16;
const KEEP: usize = 96;
const CELL: usize = 6;

fn records() -> u64 {
    let full = std::env::var("RINGTAPE_FULL").is_ok_and(|value| value == "1");
    if full { 100_000_000 } else { 2_000_000 }
}

/// The words of record `n`, none of which fits another record.
fn payload<const N: usize>(n: u64) -> [u64; N] {
    std::array::from_fn(|at| (n ^ at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(at as u32))
}

/// Which record these words are, if they are one.
fn number<const N: usize>(words: &[u64]) -> u64 {
    // The inverse of the multiplier.
    let n = words[0].wrapping_mul(0xF1DE_83E1_9937_733D);
    assert_eq!(words, payload::<N>(n), "torn");
    n
}

struct Parts {
    done: Words,
    ring: Words,
    rows: Words,
    pages: (Words, Words),
}

fn lens() -> [usize; 5] {
    let (pool, chains) = BarPages::len(ROWS * 4, CELL, ROWS, &[KEEP]);
    [8, EventRing::len(SLOTS, RECORD), Latest::len(ROWS, RECORD), pool, chains]
}

fn parts(words: &Words) -> Parts {
    let [done, ring, rows, pool, chains] = words.parts(&lens());
    Parts { done, ring, rows, pages: (pool, chains) }
}

fn len() -> usize {
    Words::parts_len(&lens()).unwrap_or_else(|| unreachable!("small"))
}

fn write(file: &File) {
    let words = Words::of_file(file, len()).unwrap_or_else(|error| panic!("{error}"));
    let parts = parts(&words);
    let ring = EventRing::over(parts.ring, SLOTS, RECORD);
    let rows = Latest::over(parts.rows, ROWS, RECORD);
    let mut pages = BarPages::over(parts.pages, ROWS * 4, CELL, ROWS, &[KEEP]);
    // Readers begin before the first record.
    while parts.done.acquire(1) < READERS / WRITERS {
        std::thread::yield_now();
    }
    for n in 1..=records() / WRITERS {
        ring.push(&payload::<RECORD>(n));
        if n.is_multiple_of(7) || n == records() / WRITERS {
            ring.publish();
        }
        let row = n as usize % ROWS;
        let one = payload::<RECORD>(n);
        rows.write(row, &[(0, &one[..3]), (3, &one[3..])]);
        let chain = pages.chain(0, row);
        if n.is_multiple_of(5) {
            pages.append(chain, &payload::<CELL>(n));
        } else if let Some(last) = pages.count(chain).checked_sub(1) {
            pages.replace(chain, last, &payload::<CELL>(n));
        }
    }
    parts.done.release(0, 1);
}

fn read(file: &File, seed: u64, begin: impl FnOnce()) {
    let words = Words::of_file_to_read(file, len()).unwrap_or_else(|error| panic!("{error}"));
    let parts = parts(&words);
    let rows = Latest::over(parts.rows, ROWS, RECORD);
    let pages = BarReader::over(parts.pages, CELL, ROWS, &[KEEP]);
    let chain = |row| ringtape::ring::ChainId::of(0, row);
    // A reader begins with what is published after it was made, so the writer waits for that.
    let mut reader = EventRing::over(parts.ring, SLOTS, RECORD).reader();
    begin();
    let (mut next, mut got, mut lost, mut looks) = (1, 0, 0, seed);
    let mut out = Vec::new();
    loop {
        let is_last = parts.done.acquire(0) == 1;
        out.clear();
        let read = reader.read(&mut out, 1 + looks as usize % 5_000);
        next += read.lost;
        for record in out.chunks_exact(RECORD) {
            assert_eq!(number::<RECORD>(record), next);
            next += 1;
        }
        (got, lost) = (got + read.count as u64, lost + read.lost);
        looks += 1;
        let row = looks as usize % ROWS;
        let mut one = [0; RECORD];
        if rows.read(row, 0, &mut one).is_some_and(|sequence| sequence > 0) {
            assert_eq!(number::<RECORD>(&one) as usize % ROWS, row);
        }
        out.clear();
        let held = pages.read(chain(row), KEEP, &mut out).unwrap_or_else(|| panic!("a writer that stands still"));
        let mut before = 0;
        for cell in out.chunks_exact(CELL) {
            let n = number::<CELL>(cell);
            assert!(n as usize % ROWS == row && n > before, "{n} in row {row} behind {before}");
            before = n;
        }
        assert_eq!(out.len(), held * CELL);
        if is_last && reader.behind() == 0 {
            break;
        }
    }
    assert_eq!(got + lost, records() / WRITERS);
    println!("read {got}, lost {lost}, {looks} looks");
}

fn start(role: &str, path: &Path, seed: u64) -> Child {
    let program = std::env::current_exe().unwrap_or_else(|error| panic!("{error}"));
    let mut command = Command::new(program);
    command.args(["--exact", "processes_share_a_file_and_tear_nothing", "--nocapture"]);
    command.env(ROLE, format!("{role} {seed} {}", path.display()));
    command.spawn().unwrap_or_else(|error| panic!("{error}"))
}

fn child(role: &str) {
    let mut words = role.splitn(3, ' ');
    let (kind, seed, path) = (words.next(), words.next(), words.next().map(PathBuf::from));
    let seed = seed.and_then(|seed| seed.parse().ok()).unwrap_or_default();
    let path = path.unwrap_or_else(|| panic!("no file"));
    let open = || OpenOptions::new().read(true).write(true).open(&path).unwrap_or_else(|error| panic!("{error}"));
    if kind == Some("write") {
        return write(&open());
    }
    // Said by a word of the file that only readers write, one at a time.
    let words = Words::of_file(&open(), len()).unwrap_or_else(|error| panic!("{error}"));
    let done = parts(&words).done;
    let turn = seed / WRITERS;
    while done.acquire(1) < turn {
        std::thread::yield_now();
    }
    let file = File::open(&path).unwrap_or_else(|error| panic!("{error}"));
    read(&file, seed, || done.release(1, turn + 1));
}

#[test]
fn processes_share_a_file_and_tear_nothing() {
    if let Ok(role) = std::env::var(ROLE) {
        return child(&role);
    }
    let folder = std::env::temp_dir().join(format!("ringtape-test-{}", std::process::id()));
    fs::create_dir(&folder).unwrap_or_else(|error| panic!("{error}"));
    let mut children = Vec::new();
    for writer in 0..WRITERS {
        let path = folder.join(writer.to_string());
        let file = File::create(&path).unwrap_or_else(|error| panic!("{error}"));
        file.set_len(len() as u64 * 8).unwrap_or_else(|error| panic!("{error}"));
        children.push(start("write", &path, writer));
        for reader in 0..READERS / WRITERS {
            children.push(start("read", &path, reader * WRITERS + writer));
        }
    }
    let failed = children.into_iter().filter_map(|mut child| {
        let status = child.wait().unwrap_or_else(|error| panic!("{error}"));
        (!status.success()).then_some(status)
    });
    let failed = failed.count();
    fs::remove_dir_all(&folder).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(failed, 0, "processes that found something torn");
}
