//! Venues: where a frame comes from decides what its keys mean.

/// A venue and market. The discriminants are stored in records and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Venue {
    /// US stocks (Massive).
    MassiveStocks = 0,
    /// US options (Massive).
    MassiveOptions = 1,
    /// Crypto (Massive).
    MassiveCrypto = 2,
    /// Forex (Massive).
    MassiveForex = 3,
    /// Indices (Massive).
    MassiveIndices = 4,
    /// Futures (Massive).
    MassiveFutures = 5,
    /// Binance USD-M futures.
    BinanceUsdm = 6,
    /// Binance spot.
    BinanceSpot = 7,
    /// Binance COIN-M futures.
    BinanceCoinm = 8,
}

impl Venue {
    /// How many venues there are; a venue's discriminant is below this.
    pub const COUNT: usize = 9;

    /// Every venue, in the order of the discriminants.
    pub const ALL: [Self; Self::COUNT] = [
        Self::MassiveStocks,
        Self::MassiveOptions,
        Self::MassiveCrypto,
        Self::MassiveForex,
        Self::MassiveIndices,
        Self::MassiveFutures,
        Self::BinanceUsdm,
        Self::BinanceSpot,
        Self::BinanceCoinm,
    ];

    /// The name users write, such as `massive.stocks`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MassiveStocks => "massive.stocks",
            Self::MassiveOptions => "massive.options",
            Self::MassiveCrypto => "massive.crypto",
            Self::MassiveForex => "massive.forex",
            Self::MassiveIndices => "massive.indices",
            Self::MassiveFutures => "massive.futures",
            Self::BinanceUsdm => "binance.usdm",
            Self::BinanceSpot => "binance.spot",
            Self::BinanceCoinm => "binance.coinm",
        }
    }

    /// The venue of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|venue| venue.name() == name)
    }

    /// The venue stored in a record.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// True where frames follow Massive's protocol.
    pub const fn is_massive(self) -> bool {
        (self as u8) < Self::BinanceUsdm as u8
    }

    /// True where the trading day follows the US equity calendar; elsewhere a day is a UTC date.
    pub const fn has_us_sessions(self) -> bool {
        matches!(self, Self::MassiveStocks | Self::MassiveOptions | Self::MassiveIndices)
    }
}
