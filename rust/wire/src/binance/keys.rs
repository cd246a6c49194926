//! The keys of Binance's payloads and their slots.

use crate::json::KeyTable;

pub(super) const NAMES: [&str; 52] = [
    "e", "E", "s", "p", "q", "T", "a", "f", "l", "m", "st", "t", "u", "b", "B", "A", "k", "ap", "P", "i", "r",
    "stream", "data", "result", "id", "error", "code", "msg", "bids", "L", "o", "c", "h", "v", "n", "x", "V", "Q", "w",
    "O", "C", "F", "S", "X", "z", "U", "pu", "asks", "g", "G", "ps", "ct",
];
pub(super) static KEYS: KeyTable = KeyTable::new(&NAMES);

macro_rules! slots {
    ($($name:ident = $at:literal),*) => { $(pub(super) const $name: u8 = $at;)* };
}
slots!(
    KIND = 0,
    SENT = 1,
    SYMBOL = 2,
    P = 3,
    Q = 4,
    TIME = 5,
    A_LOW = 6,
    F = 7,
    L_LOW = 8,
    M = 9,
    ST = 10,
    T_LOW = 11,
    U = 12,
    B_LOW = 13,
    B_HIGH = 14,
    A_HIGH = 15,
    K = 16,
    AP = 17,
    P_HIGH = 18,
    I = 19,
    R = 20,
    STREAM = 21,
    DATA = 22,
    RESULT = 23,
    ID = 24,
    ERROR = 25,
    CODE = 26,
    MSG = 27,
    BIDS = 28,
    L_HIGH = 29,
    O_LOW = 30,
    C_LOW = 31,
    H = 32,
    V = 33,
    N = 34,
    X_LOW = 35,
    V_HIGH = 36,
    Q_HIGH = 37,
    W = 38,
    O_HIGH = 39,
    C_HIGH = 40,
    F_HIGH = 41,
    S_HIGH = 42,
    X_HIGH = 43,
    Z = 44,
    U_HIGH = 45,
    PU = 46,
    ASKS = 47,
    G_LOW = 48,
    G_HIGH = 49,
    PS = 50,
    CT = 51
);
