//! The catalogue: every field of a symbol with its name, unit, formula and meaning, and the one function that
//! computes it. `ringtape fields`, the rule language and every table take their names from here.

use crate::nearest::nearest;
use crate::row::{Row, WindowRow};
use crate::units::{E8, Nanos, PRICE_UNSET, SECOND, TIME_UNSET, notional_to_f64, ratio, size_to_f64, vwap_of};
use crate::venue::Venue;

/// What a field's number means; sums and comparisons need equal units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Quote currency per share, contract or coin.
    Price,
    /// A fraction, shown as percent.
    Ratio,
    /// Shares, contracts or coins.
    Shares,
    /// Quote currency.
    Money,
    /// A number of things.
    Count,
    /// Seconds.
    Seconds,
    /// Unix ns: an integer, not a float.
    Time,
    /// A plain number.
    Scalar,
    /// True or false.
    Bool,
    /// A place in a list of names, see [`Field::names`].
    Code,
}

impl Unit {
    /// The name shown to users.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Price => "price",
            Self::Ratio => "ratio",
            Self::Shares => "shares",
            Self::Money => "money",
            Self::Count => "count",
            Self::Seconds => "seconds",
            Self::Time => "time",
            Self::Scalar => "scalar",
            Self::Bool => "bool",
            Self::Code => "code",
        }
    }
}

/// When a field can change, fastest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Moment {
    /// After each applied trade of the symbol.
    Trade = 0,
    /// After each applied quote of the symbol.
    Quote = 1,
    /// With engine time alone.
    Tick = 2,
}

impl Moment {
    /// The name used by `on =` in rule files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trade => "trade",
            Self::Quote => "quote",
            Self::Tick => "tick",
        }
    }

    /// The moment of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Trade, Self::Quote, Self::Tick].into_iter().find(|moment| moment.name() == name)
    }
}

/// One line of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    /// The field.
    pub field: Field,
    /// Name; fields with other arguments may share it, as `change`, `change(5m)` and `change(50t)` do.
    pub name: &'static str,
    /// What stands in the parentheses behind the name.
    pub args: Args,
    /// Unit of the value.
    pub unit: Unit,
    /// Fastest moment at which it changes.
    pub moment: Moment,
    /// Formula in the words of the catalogue.
    pub formula: &'static str,
    /// Inputs: T trades, Q quotes, A venue bars, B own bars, R reference, D daily bars, L bands, N imbalances, K crypto
    /// streams, E engine time.
    pub inputs: &'static str,
    /// When there is no value.
    pub undefined: &'static str,
}

/// What stands in the parentheses behind a field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Args {
    /// Nothing: `last`.
    None,
    /// A window: `change(5m)`.
    Window,
    /// A number of trades: `change(50t)`.
    Trades,
    /// A window and how many of them: `volume_spike(1m,5)`.
    WindowCount,
    /// A number of days: `avg_volume(10)`.
    Days,
    /// A number of bars and their length: `ema(20,1m)`.
    CountBars,
    /// The length of a bar: `macd(1m)`.
    Bars,
    /// The length of a bar and how many bars back, from 1: `bar_close(1m,1)`.
    BarsBack,
    /// A clock time: `vwap_anchor(10:30)`.
    Clock,
}

impl Args {
    /// The parentheses as the catalogue shows them.
    pub const fn shown(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Window => "(w)",
            Self::Trades => "(nt)",
            Self::WindowCount => "(w,k)",
            Self::Days => "(n)",
            Self::CountBars => "(n,tf)",
            Self::Bars => "(tf)",
            Self::BarsBack => "(tf,k)",
            Self::Clock => "(hh:mm)",
        }
    }

    /// An example.
    pub const fn example(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Window => "(5m)",
            Self::Trades => "(50t)",
            Self::WindowCount => "(1m,5)",
            Self::Days => "(10)",
            Self::CountBars => "(20,1m)",
            Self::Bars => "(1m)",
            Self::BarsBack => "(1m,1)",
            Self::Clock => "(10:30)",
        }
    }
}

macro_rules! catalogue {
    (
        rows { $($row:ident $row_name:literal $row_args:ident $row_unit:ident $row_moment:ident $row_inputs:literal $row_formula:literal, $row_undefined:literal;)* }
        derived { $($field:ident $name:literal $args:ident $unit:ident $moment:ident $inputs:literal $formula:literal, $undefined:literal;)* }
    ) => {
        /// A field of the catalogue.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "each is documented by its line of the catalogue")]
        pub enum Field { $($row,)* $($field,)* }

        /// Every field, in the order of [`Field`].
        pub static CATALOGUE: &[FieldInfo] = &[
            $(FieldInfo {
                field: Field::$row, name: $row_name, args: Args::$row_args, unit: Unit::$row_unit,
                moment: Moment::$row_moment, formula: $row_formula, inputs: $row_inputs, undefined: $row_undefined,
            },)*
            $(FieldInfo {
                field: Field::$field, name: $name, args: Args::$args, unit: Unit::$unit, moment: Moment::$moment,
                formula: $formula, inputs: $inputs, undefined: $undefined,
            },)*
        ];

        /// How many fields come from the row and its windows; those behind them are derived.
        const ROW_FIELDS: usize = [$(stringify!($row)),*].len();
    };
}

// Fields of the first part are computed by whoever reads a row, so they are there from the start. Those of the second part
// need more than a row holds: the engine collects it from the moment at which one is asked for.
catalogue! {
rows {
    Last "last" None Price Trade "T" "price of the newest LAST-eligible, not late trade in tape order", "symbol never traded";
    LastAny "last_any" None Price Trade "T" "price of the newest trade of any condition", "no trade today";
    LastSize "last_size" None Shares Trade "T" "size of the trade behind `last`", "as last";
    LastTime "last_time" None Time Trade "T" "time of the trade behind `last`", "as last";
    LastAge "last_age" None Seconds Tick "E" "now - last_time", "as last";
    PrevClose "prev_close" None Price Tick "R" "close of the previous trading date", "no reference";
    Open "open" None Price Trade "T,A" "regular opening print or the venue's official open; options: first regular trade; indices: first regular value; elsewhere the first trade of the UTC day", "before it";
    Change "change" None Ratio Trade "T,R" "last/prev_close - 1; crypto: last/open - 1", "no previous close, or no eligible trade today";
    ChangeAbs "change_abs" None Price Trade "T,R" "last - prev_close; crypto: last - open", "as change";
    ChangeOpen "change_open" None Ratio Trade "T" "last/open - 1", "no open";
    High "high" None Price Trade "T" "highest HL-eligible price of the regular session", "none yet";
    Low "low" None Price Trade "T" "lowest HL-eligible price of the regular session", "none yet";
    HighDay "high_day" None Price Trade "T" "highest HL-eligible price of the trading date", "none yet";
    LowDay "low_day" None Price Trade "T" "lowest HL-eligible price of the trading date", "none yet";
    Range "range" None Price Trade "T" "high - low", "no high";
    RangePct "range_pct" None Ratio Trade "T" "(high - low)/low", "no high";
    PosRange "pos_range" None Scalar Trade "T" "(last - low)/(high - low)", "high = low";
    OffHigh "off_high" None Ratio Trade "T" "last/high - 1", "no high";
    OffLow "off_low" None Ratio Trade "T" "last/low - 1", "no low";
    Vwap "vwap" None Price Trade "T" "Σ price·size / Σ size of VW trades since rollover", "Σ size = 0";
    VwapDist "vwap_dist" None Ratio Trade "T" "last/vwap - 1", "vwap undefined";
    Volume "volume" None Shares Trade "T" "Σ size of VOL trades since rollover", "never";
    DollarVolume "dollar_volume" None Money Trade "T" "Σ price·size of VOL trades since rollover", "never";
    TradeCount "trade_count" None Count Trade "T" "number of VOL trades since rollover", "never";
    Bid "bid" None Price Quote "Q" "best bid, newest by (time, sequence)", "side empty or no quote";
    Ask "ask" None Price Quote "Q" "best offer", "side empty or no quote";
    BidSize "bid_size" None Shares Quote "Q" "size at the bid", "as bid";
    AskSize "ask_size" None Shares Quote "Q" "size at the offer", "as ask";
    Mid "mid" None Price Quote "Q" "(bid + ask)/2", "one side missing, or crossed";
    Spread "spread" None Price Quote "Q" "ask - bid", "as mid";
    SpreadBps "spread_bps" None Ratio Quote "Q" "spread/mid, shown in basis points (1bp = 0.0001)", "as mid";
    QuoteImbalance "quote_imbalance" None Scalar Quote "Q" "(bid_size - ask_size)/(bid_size + ask_size)", "no size";
    QuoteAge "quote_age" None Seconds Tick "E" "now - time of the quote", "no quote";
    Mark "mark" None Price Tick "K" "mark price", "not sent by the venue";
    Index "index" None Price Tick "K" "index price", "not sent by the venue";
    Basis "basis" None Ratio Tick "K" "mark/index - 1", "as mark, index";
    FundingRate "funding_rate" None Ratio Tick "K" "funding rate of the next payment", "not sent by the venue";
    FundingIn "funding_in" None Seconds Tick "K" "next funding time - now", "not sent by the venue";
    ChangeW "change" Window Ratio Trade "T" "last/P(now - w) - 1, P the price then, same trading date", "no price at now - w";
    VolumeW "volume" Window Shares Trade "T" "Σ size of VOL trades in the window", "the window touches a gap";
    DollarVolumeW "dollar_volume" Window Money Trade "T" "Σ price·size of VOL trades in the window", "the window touches a gap";
    TradeCountW "trade_count" Window Count Trade "T" "number of VOL trades in the window", "the window touches a gap";
    TradeRateW "trade_rate" Window Scalar Trade "T" "trade_count(w)/w, per second", "the window touches a gap";
    VwapW "vwap" Window Price Trade "T" "Σ price·size / Σ size of VOL trades in the window", "no volume in the window";
    HighW "high" Window Price Trade "T" "highest LAST-eligible, not late price in the window", "no print in the window";
    LowW "low" Window Price Trade "T" "lowest LAST-eligible, not late price in the window", "no print in the window";
    IsStale "is_stale" None Bool Tick "E" "no eligible trade yet on this trading date", "never";
    Gap "gap" None Ratio Trade "T,R" "open/prev_close - 1", "before the open, or no previous close";
    GapIndicative "gap_indicative" None Ratio Trade "T,R" "before the open: last/prev_close - 1; after it: gap", "no eligible trade today, or no previous close";
    RoundDist "round_dist" None Ratio Trade "T" "distance of last to the nearest whole dollar, below 10 to the nearest half, over last", "symbol never traded";
    RetraceHigh "retrace_high" None Scalar Trade "T,R" "(high - last)/(high - max(open, prev_close))", "high not above it, or one is missing";
    RetraceLow "retrace_low" None Scalar Trade "T,R" "(last - low)/(min(open, prev_close) - low)", "low not below it, or one is missing";
    Microprice "microprice" None Price Quote "Q" "(bid·ask_size + ask·bid_size)/(bid_size + ask_size)", "as mid, or no size";
    MicroDev "micro_dev" None Ratio Quote "Q" "microprice/mid - 1, shown in basis points", "as microprice";
    IsLocked "is_locked" None Bool Quote "Q" "ask = bid", "side empty or no quote";
    IsCrossed "is_crossed" None Bool Quote "Q" "ask < bid", "side empty or no quote";
    LastVsQuote "last_vs_quote" None Scalar Trade "T,Q" "(last - bid)/(ask - bid)", "spread 0 or undefined";
    LastMarkDev "last_mark_dev" None Ratio Trade "T,K" "last/mark - 1", "as mark";
    VelocityW "velocity" Window Ratio Trade "T" "change(w) per minute", "as change(w)";
    PosRangeW "pos_range" Window Scalar Trade "T" "(last - low(w))/(high(w) - low(w))", "flat, or no print in the window";
    AvgTradeSizeW "avg_trade_size" Window Shares Trade "T" "volume(w)/trade_count(w)", "no trade in the window";
}
derived {
    Session "session" None Code Tick "E" "session of engine time: closed, pre, regular, post; venues without sessions: regular", "before the first event";
    MinutesSinceOpen "minutes_since_open" None Scalar Tick "E" "minutes since the regular session began", "outside the regular session";
    MinutesToClose "minutes_to_close" None Scalar Tick "E" "minutes until the regular session ends", "outside the regular session";
    OfficialClose "official_close" None Price Trade "T" "price of the listing market's official close (condition 15)", "before it";
    ChangePre "change_pre" None Ratio Trade "T,R" "last eligible pre-market price/prev_close - 1; stays from the open on", "no pre-market trade, or no previous close";
    ChangePost "change_post" None Ratio Trade "T" "last/official_close - 1", "outside the post-market, or no official close";
    HighPre "high_pre" None Price Trade "T" "highest HL-eligible price of the pre-market", "none yet";
    LowPre "low_pre" None Price Trade "T" "lowest HL-eligible price of the pre-market", "none yet";
    HighPost "high_post" None Price Trade "T" "highest HL-eligible price of the post-market", "none yet";
    LowPost "low_post" None Price Trade "T" "lowest HL-eligible price of the post-market", "none yet";
    OffHighPre "off_high_pre" None Ratio Trade "T" "last/high_pre - 1", "as high_pre";
    VolumePre "volume_pre" None Shares Trade "T" "Σ size of VOL trades of the pre-market", "never";
    VolumeReg "volume_reg" None Shares Trade "T" "Σ size of VOL trades of the regular session", "never";
    VolumePost "volume_post" None Shares Trade "T" "Σ size of VOL trades of the post-market", "never";
    VwapReg "vwap_reg" None Price Trade "T" "Σ price·size / Σ size of VW trades of the regular session", "none yet";
    VwapAnchor "vwap_anchor" Clock Price Trade "T" "Σ price·size / Σ size of VW trades since that clock time, New York or UTC", "none yet";
    OrHigh "or_high" Window Price Tick "T" "highest HL-eligible price in [open, open + w)", "before open + w, or no print";
    OrLow "or_low" Window Price Tick "T" "lowest HL-eligible price in [open, open + w)", "before open + w, or no print";
    OrPos "or_pos" Window Scalar Trade "T" "(last - or_low(w))/(or_high(w) - or_low(w))", "as or_high, or flat";
    ChangeTrades "change" Trades Ratio Trade "T" "last over the price n in-line LAST trades earlier - 1, same trading date", "fewer than n + 1 such trades";
    CoverageW "coverage" Window Scalar Tick "E" "share of the window in which trades came as they should: 1 - holes/w", "never";
    GapSecondsW "gap_seconds" Window Seconds Tick "E" "seconds of the window in which trades did not come", "never";
    AccelerationW "acceleration" Window Ratio Trade "T" "change(w) - (P(now - w)/P(now - 2w) - 1)", "no price at now - 2w";
    TradePrice "trade_price" None Price Trade "T" "price of the trade that a rule on trades is looking at", "elsewhere";
    TradeSize "trade_size" None Shares Trade "T" "size of that trade", "elsewhere";
    TradeLate "trade_late" None Bool Trade "T" "that trade is late", "elsewhere";
    TradeSide "trade_side" None Code Trade "T,Q" "side of that trade: none, buy, sell", "elsewhere";
    TradeAt "trade_at" None Code Trade "T,Q" "its price in the quote before it: above_ask, ask, inside, bid, below_bid", "elsewhere, or no quote before it";
    BuyVolumeW "buy_volume" Window Shares Trade "T,Q" "Σ size of VOL trades that were bought", "never";
    SellVolumeW "sell_volume" Window Shares Trade "T,Q" "Σ size of VOL trades that were sold", "never";
    BuyRatioW "buy_ratio" Window Ratio Trade "T,Q" "buy_volume/(buy_volume + sell_volume)", "no trade with a side";
    SignedVolumeW "signed_volume" Window Shares Trade "T,Q" "buy_volume - sell_volume", "never";
    DeltaDay "delta_day" None Shares Trade "T,Q" "Σ size bought - Σ size sold of VOL trades since rollover", "never";
    UnclassifiedShareW "unclassified_share" Window Ratio Trade "T,Q" "volume without a side/volume(w)", "no volume";
    TakerImbalanceW "taker_imbalance" Window Scalar Trade "T,Q" "(buy_volume - sell_volume)/(buy_volume + sell_volume)", "no trade with a side";
    TakerRatioW "taker_ratio" Window Scalar Trade "T,Q" "buy_volume/sell_volume", "nothing was sold";
    AtAskRatioW "at_ask_ratio" Window Ratio Trade "T,Q" "volume at or above the offer before it/volume(w)", "no volume";
    UptickRatioW "uptick_ratio" Window Scalar Trade "T" "(rises - falls)/(rises + falls) of the price, LAST trades in line", "no change in price";
    TickStreak "tick_streak" None Scalar Trade "T" "signed run of rises or falls of the price, LAST trades in line; equal prices do not end it", "fewer than 2 such trades today";
    LateShareW "late_share" Window Ratio Trade "T" "late VOL trades/trade_count(w)", "no trade";
    OddLotShareW "odd_lot_share" Window Ratio Trade "T" "VOL trades with condition 37/trade_count(w)", "no trade";
    TrfShareW "trf_share" Window Ratio Trade "T" "volume that a reporting facility printed/volume(w)", "no volume";
    BlockCountW "block_count" Window Count Trade "T" "VOL trades of at least 10,000 shares and 200,000 in money", "never";
    BlockVolumeW "block_volume" Window Shares Trade "T" "Σ size of such trades", "never";
    MaxTradeW "max_trade" Window Shares Trade "T" "largest size of a VOL trade", "no trade";
    VolumeSpike "volume_spike" WindowCount Scalar Trade "T" "volume(w)/mean volume of the k windows of length w before it", "nothing in those";
    StreakNoTrade "streak_no_trade" None Seconds Tick "E" "now - time of the newest VOL trade of the date", "no trade today, halted, or closed";
    EffectiveSpreadW "effective_spread" Window Ratio Trade "T,Q" "mean of 2·abs(price - mid)/mid, mid of the quote before the trade, weighted by size", "no trade with a quote before it";
    AvgSpreadBpsW "avg_spread_bps" Window Ratio Quote "Q" "mean of spread/mid weighted by the time that it stood, shown in basis points", "no spread stood";
    OfiW "ofi" Window Shares Quote "Q" "Σ [b>=b']B - [b<=b']B' - [a<=a']A + [a>=a']A' over updates between two-sided quotes (b, a prices, B, A sizes, ' before)", "no quote";
    OfiNormW "ofi_norm" Window Scalar Quote "Q" "ofi(w)/mean of (bid_size + ask_size)/2 weighted by time", "no size stood";
    LuldUp "luld_up" None Price Tick "L" "upper price band of the newest message of the date", "none today, or halted";
    LuldDown "luld_down" None Price Tick "L" "lower price band of the newest message of the date", "none today, or halted";
    LuldDistUp "luld_dist_up" None Ratio Trade "L,T" "luld_up/last - 1", "no band";
    LuldDistDown "luld_dist_down" None Ratio Trade "L,T" "1 - luld_down/last", "no band";
    LimitState "limit_state" None Code Quote "L,Q" "up: bid at the upper band; down: offer at the lower; straddle: bid below the lower or offer above the upper; else none", "no band or no quote";
    HaltState "halt_state" None Code Tick "L,N,T" "halted from indicator 17, or the first imbalance of a halt auction, to the first trade that re-opens; resumed_auction from indicator 18 on; closed outside sessions", "asked for late: before the next band or trade";
    HaltSince "halt_since" None Seconds Tick "L,N" "now - beginning of the newest halt of the date", "no halt today";
    HaltCount "halt_count" None Count Tick "L,N" "halts of the date", "no halt today";
    SinceResume "since_resume" None Seconds Tick "L,N,T" "now - time of the first trade after the newest halt of the date", "no halt today, or not resumed";
    ChangeSinceHalt "change_since_halt" None Ratio Trade "L,N,T" "last over the last price before the newest halt of the date - 1", "no halt today";
    SsrActive "ssr_active" None Bool Trade "T,R,D" "newest marker of the date (57, 58, 60 on, 59 off); without one: low <= 0.9·prev_close, on this date or the one before", "no marker, and no previous close";
    NoiQty "noi_qty" None Shares Tick "N" "shares of the newest auction imbalance that find no other side; more to buy is positive", "none in the last 5 minutes";
    NoiPaired "noi_paired" None Shares Tick "N" "shares of it that are paired", "as noi_qty";
    NoiPrice "noi_price" None Price Tick "N" "its book clearing price", "as noi_qty, or price 0";
    NoiType "noi_type" None Code Tick "N" "its auction: early_open, open, halt, close, extreme_close, regulatory", "as noi_qty";
    NoiRatio "noi_ratio" None Ratio Tick "N" "abs(noi_qty)/(abs(noi_qty) + noi_paired)", "as noi_qty, or both 0";
    NoiDev "noi_dev" None Ratio Trade "N,T" "noi_price/last - 1", "as noi_price";
    LiqLongW "liq_long" Window Money Tick "K" "Σ size·average price of forced orders that sold; the venue sends at most one a second, so it is a lower bound", "a venue without forced orders";
    LiqShortW "liq_short" Window Money Tick "K" "Σ size·average price of forced orders that bought; a lower bound", "a venue without forced orders";
    LiqImbalanceW "liq_imbalance" Window Scalar Tick "K" "(liq_long - liq_short)/(liq_long + liq_short)", "no forced order";
    FundingInterval "funding_interval" None Scalar Tick "R" "hours between payments, from reference data, 8 where not given", "no funding";
    FundingAnnual "funding_annual" None Ratio Tick "K,R" "funding_rate·8760/funding_interval", "no funding";
    Oi "oi" None Shares Tick "R" "open interest as it was given last", "not given, or for longer than three times the time between the last two, 3 minutes after the first";
    OiValue "oi_value" None Money Tick "R,K" "oi·mark", "as oi, mark";
    OiChangeW "oi_change" Window Ratio Tick "R" "oi/open interest given last before now - w - 1", "as oi, or none in the 5 minutes before now - w";
    Change24h "change_24h" None Ratio Tick "K" "last/open - 1 of the venue's 24-hour statistics", "not sent by the venue";
    Volume24h "volume_24h" None Shares Tick "K" "volume of the venue's 24-hour statistics", "not sent by the venue";
    PrevOpen "prev_open" None Price Tick "D,R" "open of the previous trading date", "no reference for this date";
    PrevHigh "prev_high" None Price Tick "D,R" "high of the previous trading date", "no reference for this date";
    PrevLow "prev_low" None Price Tick "D,R" "low of the previous trading date", "no reference for this date";
    PrevVolume "prev_volume" None Shares Tick "D,R" "volume of the previous trading date", "no reference for this date";
    PosPrevDay "pos_prev_day" None Scalar Trade "T,D" "(last - prev_low)/(prev_high - prev_low)", "as prev_high, or flat";
    Pivot "pivot" None Price Tick "D" "(prev_high + prev_low + prev_close)/3", "as prev_high";
    PivotR1 "pivot_r1" None Price Tick "D" "2·pivot - prev_low", "as pivot";
    PivotS1 "pivot_s1" None Price Tick "D" "2·pivot - prev_high", "as pivot";
    PivotR2 "pivot_r2" None Price Tick "D" "pivot + (prev_high - prev_low)", "as pivot";
    PivotS2 "pivot_s2" None Price Tick "D" "pivot - (prev_high - prev_low)", "as pivot";
    Atr "atr" None Price Tick "D" "Wilder mean over 14 of the true range of completed days", "fewer than 15 days";
    AtrPct "atr_pct" None Ratio Trade "T,D" "atr/last", "as atr";
    RangeAtr "range_atr" None Scalar Trade "T,D" "(high - low)/atr", "as atr, or no high";
    GapAtr "gap_atr" None Scalar Trade "T,D" "(open - prev_close)/atr", "as atr, or before the open";
    SigmaDay "sigma_day" None Ratio Tick "D" "sample deviation of daily log returns, 252 days", "fewer than 20 returns";
    MoveSigma "move_sigma" None Scalar Trade "T,D" "ln(last/prev_close)/sigma_day", "as sigma_day or change, or sigma 0";
    Sigma1m "sigma_1m" None Ratio Tick "R" "deviation of one-minute returns, from reference data", "no reference for this date";
    ReturnZ "return_z" Window Scalar Trade "T,R" "ln(1 + change(w))/(sigma_1m·sqrt(minutes of w))", "as change(w) or sigma_1m, or sigma 0";
    ChangeDays "change_days" Days Ratio Trade "T,D" "last/close n days ago - 1", "fewer days, or no eligible trade today";
    Change1y "change_1y" None Ratio Trade "T,D" "last/close 252 days ago - 1", "as change_days";
    PosRangeDays "pos_range_days" Days Scalar Trade "T,D" "(last - low)/(high - low) of n completed days and today", "fewer days, or flat";
    Pos52w "pos_52w" None Scalar Trade "T,D" "(last - low_52w)/(high_52w - low_52w)", "as high_52w, or flat";
    High52w "high_52w" None Price Trade "D,T" "highest price of at most 252 completed days and today", "fewer than 20 days";
    Low52w "low_52w" None Price Trade "D,T" "lowest price of at most 252 completed days and today", "fewer than 20 days";
    Off52wHigh "off_52w_high" None Ratio Trade "D,T" "last/high_52w - 1", "as high_52w";
    HighLookback "high_lookback" None Count Trade "D,T" "days back to the first daily high >= last; 366 where there is none", "no days";
    LowLookback "low_lookback" None Count Trade "D,T" "days back to the first daily low <= last; 366 where there is none", "no days";
    ConsecutiveDays "consecutive_days" None Scalar Trade "D,T" "signed run of rising or falling closes, today's last against prev_close the newest; equal prices end it", "no days, or no eligible trade today";
    RangeContraction "range_contraction" None Scalar Tick "D" "mean of high - low over 3 days/over 20 days", "fewer than 20 days";
    AvgVolume "avg_volume" Days Shares Tick "D" "mean volume of the last n days, half days left out", "fewer than n and fewer than 5 days";
    VolumeExpected "volume_expected" None Shares Tick "D" "mean volume by this time of the last 10 days of the profile, linear within a minute", "fewer than 3 days";
    Rvol "rvol" None Scalar Trade "T,D" "volume/volume_expected", "volume_expected undefined or below 2,000";
    RvolW "rvol" Window Scalar Trade "T,D" "volume(w)/expected volume of the same clock window", "that below 200, or fewer than 3 days";
    RvolSimple "rvol_simple" None Scalar Trade "T,D" "volume/avg_volume(10)", "as avg_volume";
    VolumeProjected "volume_projected" None Shares Trade "T,D" "volume/(volume_expected/expected volume of the whole day)", "as volume_expected";
    VolumeZ "volume_z" None Scalar Trade "T,D" "(ln(1 + volume) - mean)/deviation of ln(1 + V) by this time of the last 20 days of the profile, both linear within a minute", "fewer than 10 days, or deviation 0";
    TradeRateRelW "trade_rate_rel" Window Scalar Trade "T,D" "trade_count(w)/expected number of trades of the same clock window", "that below 10, or fewer than 3 days";
    BarOpen "bar_open" BarsBack Price Tick "B" "open of the own bar k back, 1 the last that ended; bars of all sessions and dates", "not that many bars";
    BarHigh "bar_high" BarsBack Price Tick "B" "high of that bar", "not that many bars";
    BarLow "bar_low" BarsBack Price Tick "B" "low of that bar", "not that many bars";
    BarClose "bar_close" BarsBack Price Tick "B" "close of that bar", "not that many bars";
    BarVolume "bar_volume" BarsBack Shares Tick "B" "volume of that bar", "not that many bars";
    Sma "sma" CountBars Price Tick "B,D" "mean of the last n closes of the regular session; tf 1d: of completed days", "fewer than n bars";
    Ema "ema" CountBars Price Tick "B,D" "exponential mean of closes of the regular session, share 2/(n + 1), begun with the mean of n; tf 1d: of completed days", "fewer than 3n bars";
    DistSma "dist_sma" CountBars Ratio Trade "T,B,D" "last/sma - 1", "as sma";
    DistEma "dist_ema" CountBars Ratio Trade "T,B,D" "last/ema - 1", "as ema";
    Rsi "rsi" CountBars Scalar Tick "B" "100·gain/(gain + loss), Wilder means over n of rises and falls of the close, regular session", "fewer than n + 1 bars, or no change at all";
    AtrBars "atr" CountBars Price Tick "B" "Wilder mean over n of the true range, regular session", "fewer than n + 1 bars";
    Macd "macd" Bars Price Tick "B" "ema(12) - ema(26) of closes of the regular session", "fewer than 78 bars";
    MacdSignal "macd_signal" Bars Price Tick "B" "exponential mean of macd over 9", "as macd";
    MacdHist "macd_hist" Bars Price Tick "B" "macd - macd_signal", "as macd";
    BbUpper "bb_upper" CountBars Price Tick "B" "sma + 2 population deviations of the last n closes", "as sma";
    BbLower "bb_lower" CountBars Price Tick "B" "sma - 2 population deviations", "as sma";
    BbPos "bb_pos" CountBars Scalar Trade "T,B" "(last - bb_lower)/(bb_upper - bb_lower)", "as sma, or width 0";
    BbWidth "bb_width" CountBars Scalar Tick "B" "(bb_upper - bb_lower)/sma", "as sma, or width 0";
    Consecutive "consecutive" Bars Scalar Tick "B" "signed run of rising or falling closes, regular session; equal closes end it", "fewer than 2 bars";
    RealizedVolW "realized_vol" Window Ratio Tick "B" "root of Σ r², r log returns of the 1m bars of the regular session that ended in the window; 1s bars up to 5m", "fewer than 5 returns";
    Float "float" None Shares Tick "R" "shares that trade, from reference data", "not given";
    SharesOutstanding "shares_outstanding" None Shares Tick "R" "shares of the company, from reference data", "not given";
    FloatTurnover "float_turnover" None Scalar Trade "T,R" "volume/float", "float not given";
    MarketCap "market_cap" None Money Trade "T,R" "last·shares_outstanding", "not given, or symbol never traded";
    QuoteRateW "quote_rate" Window Scalar Quote "Q" "updates of the quote per second", "no quote";
}
}

/// Other names for fields.
pub const ALIASES: &[(&str, &str)] = &[("price", "last"), ("day_open", "open")];

/// Names of [`Field::Session`] by code.
pub const SESSION_NAMES: &[&str] = &["closed", "pre", "regular", "post"];
/// Names of [`Field::LimitState`] by code.
pub const LIMIT_NAMES: &[&str] = &["none", "up", "down", "straddle"];
/// Names of [`Field::HaltState`] by code. The venue does not tell a pause from a halt, and silence is not judged yet.
pub const HALT_NAMES: &[&str] = &["trading", "paused", "halted", "suspected", "resumed_auction", "closed"];
/// Names of [`Field::NoiType`] by code.
pub const AUCTION_NAMES: &[&str] = &["unknown", "early_open", "open", "halt", "close", "extreme_close", "regulatory"];
/// Names of [`Field::TradeSide`] by code.
pub const SIDE_NAMES: &[&str] = &["none", "buy", "sell"];
/// Names of [`Field::TradeAt`] by code.
pub const TRADE_AT_NAMES: &[&str] = &["above_ask", "ask", "inside", "bid", "below_bid"];

impl Field {
    /// The field's line in the catalogue.
    #[inline]
    pub fn info(self) -> &'static FieldInfo {
        &CATALOGUE[self as usize]
    }

    /// True for a field that is collected from the moment at which it is asked for; false for one that every row gives.
    #[inline]
    pub const fn is_derived(self) -> bool {
        self as usize >= ROW_FIELDS
    }

    /// What the codes of a field of unit [`Unit::Code`] mean, by code.
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Session => SESSION_NAMES,
            Self::LimitState => LIMIT_NAMES,
            Self::HaltState => HALT_NAMES,
            Self::NoiType => AUCTION_NAMES,
            Self::TradeSide => SIDE_NAMES,
            Self::TradeAt => TRADE_AT_NAMES,
            _ => &[],
        }
    }
}

/// A field with its arguments, where it has some: what a column, a rule operand or `get` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldRef {
    /// The field.
    pub field: Field,
    /// Length of the window or of a bar in ns; 0 for fields without one.
    pub window: Nanos,
    /// Number of trades, windows, days or bars, or the second of the day; 0 for fields without one.
    pub count: u32,
}

/// One argument as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// `5m`
    Duration(Nanos),
    /// `50t`
    Trades(u32),
    /// `14`
    Number(u32),
    /// `10:30`, in seconds.
    Clock(u32),
}

/// Why a field's text names nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldError {
    /// No field of that name; the nearest ones.
    Unknown(Vec<String>),
    /// The name exists, but only with a window such as `(5m)`.
    NeedsWindow,
    /// The name exists, but takes no window.
    TakesNoWindow,
    /// The name exists, but is written in other ways, such as `rsi(14,1m)`.
    Arguments(Vec<String>),
    /// The window is not a duration such as `250ms`, `30s`, `5m`, `1h`, or a number is out of range.
    BadWindow(&'static str),
}

/// Longest window, by the catalogue.
pub const WINDOW_MAX: Nanos = 86_400 * SECOND;

/// Most trades that a field looks back.
pub const TRADES_MAX: u32 = 4_096;

/// Most windows, days or bars that a field looks back.
pub const COUNT_MAX: u32 = 500;

impl FieldRef {
    /// A field without arguments.
    pub const fn plain(field: Field) -> Self {
        Self { field, window: 0, count: 0 }
    }

    /// A field of a window.
    pub const fn over(field: Field, window: Nanos) -> Self {
        Self { field, window, count: 0 }
    }

    /// Length of the registered window that the field is read from; 0 where a row, or the engine, gives it without one.
    #[inline]
    pub const fn row_window(&self) -> Nanos {
        if self.field.is_derived() { 0 } else { self.window }
    }

    /// The name behind another name of a field.
    pub fn real_name(name: &str) -> &str {
        ALIASES.iter().find(|&&(alias, _)| alias == name).map_or(name, |&(_, real)| real)
    }

    /// The ways in which a name can be written; none where nothing has it.
    pub fn forms(name: &str) -> impl Iterator<Item = &'static FieldInfo> {
        let name = Self::real_name(name);
        CATALOGUE.iter().filter(move |info| info.name == name)
    }

    /// Looks a field up by name and arguments.
    pub fn find(name: &str, args: &[Arg]) -> Result<Self, FieldError> {
        for info in Self::forms(name) {
            let (window, count) = match (info.args, args) {
                (Args::None, []) => (0, 0),
                (Args::Window | Args::Bars, &[Arg::Duration(window)]) => (window, 0),
                (Args::Trades, &[Arg::Trades(count)]) | (Args::Days, &[Arg::Number(count)]) => (0, count),
                (Args::Clock, &[Arg::Clock(clock)]) => (0, clock),
                (Args::WindowCount | Args::BarsBack, &[Arg::Duration(window), Arg::Number(count)])
                | (Args::CountBars, &[Arg::Number(count), Arg::Duration(window)]) => (window, count),
                _ => continue,
            };
            let found = Self { field: info.field, window, count };
            return found.check().map(|()| found);
        }
        let known: Vec<Args> = Self::forms(name).map(|info| info.args).collect();
        let windowed = known.contains(&Args::Window);
        Err(match (&known[..], args) {
            ([], _) => FieldError::Unknown(Self::suggest(name)),
            ([Args::None], _) => FieldError::TakesNoWindow,
            (_, []) if windowed => FieldError::NeedsWindow,
            _ => FieldError::Arguments(Self::examples(name)),
        })
    }

    /// The range of the arguments.
    fn check(&self) -> Result<(), FieldError> {
        let (args, count) = (self.field.info().args, self.count);
        let whole_bars = self.window > 0 && self.window % SECOND == 0 && self.window <= WINDOW_MAX;
        match args {
            Args::Window => drop(check_window(self.window)?),
            Args::WindowCount => {
                check_window(self.window)?;
                if self.window.saturating_mul(i64::from(count) + 1) > WINDOW_MAX {
                    return Err(FieldError::BadWindow("all windows together are at most 1d long"));
                }
            }
            Args::CountBars | Args::Bars | Args::BarsBack if !whole_bars => {
                return Err(FieldError::BadWindow("bars are whole seconds long, from 1s to 1d"));
            }
            _ => {}
        }
        match args {
            Args::Trades if !(1..=TRADES_MAX).contains(&count) => Err(FieldError::BadWindow("write 1 to 4096 trades")),
            Args::WindowCount | Args::Days | Args::CountBars | Args::BarsBack if !(1..=COUNT_MAX).contains(&count) => {
                Err(FieldError::BadWindow("write a number from 1 to 500"))
            }
            _ => Ok(()),
        }
    }

    /// Every way in which a name can be written, as examples.
    pub fn examples(name: &str) -> Vec<String> {
        Self::forms(name).map(|info| format!("{}{}", info.name, info.args.example())).collect()
    }

    /// The nearest field names, with what stands in their parentheses.
    pub fn suggest(name: &str) -> Vec<String> {
        let mut names: Vec<&str> = CATALOGUE.iter().map(|info| info.name).collect();
        names.dedup();
        let near = nearest(name, names, 3);
        let mut out: Vec<&FieldInfo> = CATALOGUE.iter().filter(|info| near.contains(&info.name)).collect();
        out.sort_by_key(|info| near.iter().position(|name| info.name == *name));
        out.iter().take(4).map(|info| format!("{}{}", info.name, info.args.shown())).collect()
    }

    /// Reads `last`, `change(5m)` or `ema(20,1m)`.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let text = text.trim();
        let Some((name, rest)) = text.split_once('(') else {
            return Self::find(text, &[]);
        };
        let name = name.trim_end();
        let inner = rest.strip_suffix(')').ok_or(FieldError::BadWindow("missing )"))?;
        let written = Self::forms(name).any(|info| !matches!(info.args, Args::None | Args::Window));
        if Self::forms(name).any(|info| info.args == Args::Window) && !written {
            return Self::find(name, &[Arg::Duration(parse_window(inner.trim())?)]);
        }
        let args: Option<Vec<Arg>> = inner.split(',').map(|arg| Arg::parse(arg.trim())).collect();
        match args {
            Some(args) => Self::find(name, &args),
            None if Self::forms(name).next().is_none() => Err(FieldError::Unknown(Self::suggest(name))),
            None => Err(FieldError::Arguments(Self::examples(name))),
        }
    }

    /// The text that [`FieldRef::parse`] reads back.
    pub fn text(&self) -> String {
        let FieldInfo { name, args, .. } = self.field.info();
        let (length, count) = (window_text(self.window), self.count);
        match args {
            Args::None => (*name).to_owned(),
            Args::Window | Args::Bars => format!("{name}({length})"),
            Args::Trades => format!("{name}({count}t)"),
            Args::Days => format!("{name}({count})"),
            Args::WindowCount | Args::BarsBack => format!("{name}({length},{count})"),
            Args::CountBars => format!("{name}({count},{length})"),
            Args::Clock => format!("{name}({})", clock_text(count)),
        }
    }
}

impl Arg {
    /// Reads one argument; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(clock) = parse_clock(text) {
            return Some(Self::Clock(clock));
        }
        if let Ok(number) = text.parse() {
            return Some(Self::Number(number));
        }
        match text.strip_suffix('t').map(str::parse) {
            Some(Ok(trades)) => Some(Self::Trades(trades)),
            _ => parse_duration(text).map(Self::Duration),
        }
    }
}

/// Reads `hh:mm` or `hh:mm:ss` as seconds.
pub fn parse_clock(text: &str) -> Option<u32> {
    let parts: Vec<u32> = text.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    match parts[..] {
        [hours, minutes] if hours < 24 && minutes < 60 => Some(hours * 3_600 + minutes * 60),
        [hours, minutes, seconds] if hours < 24 && minutes < 60 && seconds < 60 => {
            Some(hours * 3_600 + minutes * 60 + seconds)
        }
        _ => None,
    }
}

fn clock_text(clock: u32) -> String {
    let (hours, minutes, seconds) = (clock / 3_600, clock / 60 % 60, clock % 60);
    if seconds == 0 { format!("{hours:02}:{minutes:02}") } else { format!("{hours:02}:{minutes:02}:{seconds:02}") }
}

/// Reads a window such as `250ms`, `30s`, `5m`, `1h`; whole quanta only (see [`quantum`]).
pub fn parse_window(text: &str) -> Result<Nanos, FieldError> {
    check_window(parse_duration(text).ok_or(FieldError::BadWindow("write a duration such as 30s, 5m or 1h"))?)
}

fn parse_duration(text: &str) -> Option<Nanos> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: i64 = number.parse().ok()?;
    let unit: Nanos = match unit {
        "ms" => SECOND / 1000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        "d" => 86_400 * SECOND,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// Accepts a window length that is a positive multiple of its quantum and at most a day.
pub fn check_window(window: Nanos) -> Result<Nanos, FieldError> {
    if window <= 0 {
        return Err(FieldError::BadWindow("a window is longer than nothing"));
    }
    if window > WINDOW_MAX {
        return Err(FieldError::BadWindow("the longest window is 1d"));
    }
    if window % quantum(window) != 0 {
        return Err(FieldError::BadWindow("windows step by 100ms up to 10s, 1s up to 30m, 1m above"));
    }
    Ok(window)
}

/// Width of the buckets behind a window: 100 ms up to 10 s, 1 s up to 30 min, 1 min above.
pub const fn quantum(window: Nanos) -> Nanos {
    if window <= 10 * SECOND {
        SECOND / 10
    } else if window <= 1_800 * SECOND {
        SECOND
    } else {
        60 * SECOND
    }
}

/// The shortest text for a window length.
pub fn window_text(window: Nanos) -> String {
    for (unit, name) in [(86_400 * SECOND, "d"), (3_600 * SECOND, "h"), (60 * SECOND, "m"), (SECOND, "s")] {
        if window % unit == 0 {
            return format!("{}{name}", window / unit);
        }
    }
    format!("{}ms", window / 1_000_000)
}

/// Value of a field from a row and, for windowed fields, that window; NaN where it is undefined.
///
/// `now` is the engine time of the symbol's venue. Fields of unit [`Unit::Time`] are read by [`time_value`].
/// Cost: a few ns; up to about 100 ns where an exact sum has to be rounded (`vwap`, `volume`, ...).
#[inline]
pub fn value(field: Field, row: &Row, window: &WindowRow, length: Nanos, now: Nanos) -> f64 {
    if window.is_unknown() && length != 0 {
        return PRICE_UNSET;
    }
    let computed = match field {
        Field::Last => row.last,
        Field::LastAny => row.last_any,
        Field::LastSize => row.last_size,
        Field::LastTime => time_or_nan(row.last_time),
        Field::LastAge => age(now, row.last_time),
        Field::PrevClose => row.prev_close,
        Field::Open => row.open,
        Field::Change => today(row) / base_price(row) - 1.0,
        Field::ChangeAbs => today(row) - base_price(row),
        Field::ChangeOpen => today(row) / row.open - 1.0,
        Field::High => row.high,
        Field::Low => row.low,
        Field::HighDay => row.high_day,
        Field::LowDay => row.low_day,
        Field::Range => row.high - row.low,
        Field::RangePct => (row.high - row.low) / row.low,
        Field::PosRange => (row.last - row.low) / (row.high - row.low),
        Field::OffHigh => row.last / row.high - 1.0,
        Field::OffLow => row.last / row.low - 1.0,
        Field::Vwap => day_vwap(row),
        Field::VwapDist => today(row) / day_vwap(row) - 1.0,
        Field::Volume => size_to_f64(row.volume.get()),
        Field::DollarVolume => notional_to_f64(row.notional.get()),
        Field::TradeCount => row.trade_count as f64,
        Field::Bid => row.bid,
        Field::Ask => row.ask,
        Field::BidSize => row.bid_size,
        Field::AskSize => row.ask_size,
        Field::Mid => mid(row),
        Field::Spread => mid(row) * 0.0 + (row.ask - row.bid),
        Field::SpreadBps => (row.ask - row.bid) / mid(row),
        Field::QuoteImbalance => (row.bid_size - row.ask_size) / (row.bid_size + row.ask_size),
        Field::QuoteAge => age(now, row.quote_time),
        Field::Mark => row.mark,
        Field::Index => row.index,
        Field::Basis => row.mark / row.index - 1.0,
        Field::FundingRate => row.funding_rate,
        Field::FundingIn => -age(now, row.next_funding),
        Field::ChangeW => today(row) / window.base - 1.0,
        Field::VolumeW => size_to_f64(window.volume.get()),
        Field::DollarVolumeW => notional_to_f64(window.notional.get()),
        Field::TradeCountW => window.trade_count as f64,
        Field::TradeRateW => window.trade_count as f64 / (length as f64 / SECOND as f64),
        Field::VwapW => vwap_of(window.notional.get(), window.volume.get()).unwrap_or(PRICE_UNSET),
        Field::HighW => window.high,
        Field::LowW => window.low,
        Field::IsStale => flag(today(row).is_nan()),
        Field::GapIndicative if row.open.is_nan() => today(row) / row.prev_close - 1.0,
        Field::Gap | Field::GapIndicative => row.open / row.prev_close - 1.0,
        Field::RoundDist => round_distance(row.last),
        Field::RetraceHigh => {
            let start = start(row, f64::max);
            retrace(row.high, row.last, start, row.high > start)
        }
        Field::RetraceLow => {
            let start = start(row, f64::min);
            retrace(row.low, row.last, start, row.low < start)
        }
        Field::Microprice => microprice(row),
        Field::MicroDev => microprice(row) / mid(row) - 1.0,
        Field::IsLocked => quoted(row, row.bid == row.ask),
        Field::IsCrossed => quoted(row, row.ask < row.bid),
        Field::LastVsQuote => (row.last - row.bid) / (row.ask - row.bid),
        Field::LastMarkDev => row.last / row.mark - 1.0,
        Field::VelocityW => (today(row) / window.base - 1.0) / (length as f64 / (60 * SECOND) as f64),
        Field::PosRangeW => (row.last - window.low) / (window.high - window.low),
        Field::AvgTradeSizeW if window.trade_count == 0 => PRICE_UNSET,
        Field::AvgTradeSizeW => ratio(window.volume.get(), i128::from(window.trade_count) * i128::from(E8)),
        // INVARIANT: the fields that are left are derived; the engine publishes their values.
        _ => PRICE_UNSET,
    };
    if computed.is_finite() { computed } else { PRICE_UNSET }
}

/// Value of a field of unit [`Unit::Time`] in Unix ns, or `TIME_UNSET`.
pub fn time_value(field: Field, row: &Row) -> Nanos {
    match field {
        Field::LastTime => row.last_time,
        _ => TIME_UNSET,
    }
}

/// `last` where it was set on this trading date.
#[inline]
fn today(row: &Row) -> f64 {
    if row.last_date == row.date { row.last } else { PRICE_UNSET }
}

#[inline]
fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

/// A truth about a quote; undefined where a side is missing.
#[inline]
fn quoted(row: &Row, value: bool) -> f64 {
    if row.bid.is_nan() || row.ask.is_nan() { PRICE_UNSET } else { flag(value) }
}

fn microprice(row: &Row) -> f64 {
    let sizes = row.bid_size + row.ask_size;
    mid(row) * 0.0 + (row.bid * row.ask_size + row.ask * row.bid_size) / sizes
}

/// Distance to the nearest whole number, below 10 to the nearest half.
fn round_distance(price: f64) -> f64 {
    let step = if price < 10.0 { 0.5 } else { 1.0 };
    (price - (price / step).round_ties_even() * step).abs() / price
}

/// What a move of the day is measured from: the further of open and previous close.
fn start(row: &Row, further: fn(f64, f64) -> f64) -> f64 {
    if row.open.is_nan() || row.prev_close.is_nan() { PRICE_UNSET } else { further(row.open, row.prev_close) }
}

/// How much of the way from a start to the extreme was given back.
fn retrace(extreme: f64, last: f64, start: f64, beyond: bool) -> f64 {
    if beyond { (extreme - last) / (extreme - start) } else { PRICE_UNSET }
}

/// What a day's change is measured from.
#[inline]
fn base_price(row: &Row) -> f64 {
    let sessions = Venue::from_code(row.venue as u8).is_some_and(Venue::has_us_sessions);
    if sessions { row.prev_close } else { row.open }
}

#[inline]
fn day_vwap(row: &Row) -> f64 {
    vwap_of(row.vw_notional.get(), row.vw_volume.get()).unwrap_or(PRICE_UNSET)
}

/// Undefined where a side is missing or the quote is crossed; locked is defined.
#[inline]
fn mid(row: &Row) -> f64 {
    if row.bid <= row.ask { f64::midpoint(row.bid, row.ask) } else { PRICE_UNSET }
}

#[inline]
fn age(now: Nanos, then: Nanos) -> f64 {
    if then == TIME_UNSET || now == TIME_UNSET { PRICE_UNSET } else { (now - then) as f64 / SECOND as f64 }
}

#[inline]
fn time_or_nan(time: Nanos) -> f64 {
    if time == TIME_UNSET { PRICE_UNSET } else { time as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalogue_is_in_enum_order_and_names_are_unique() {
        for (i, info) in CATALOGUE.iter().enumerate() {
            assert_eq!(info.field as usize, i);
            let same = CATALOGUE.iter().filter(|o| o.name == info.name && o.args == info.args);
            assert_eq!(same.count(), 1, "{}", info.name);
        }
    }

    #[test]
    fn no_line_breaks_a_table() {
        for FieldInfo { name, formula, undefined, .. } in CATALOGUE {
            assert!(![formula, undefined].iter().any(|text| text.contains(['|', '\n'])), "{name}");
        }
    }

    #[test]
    fn field_text_round_trips() {
        for info in CATALOGUE {
            let text = format!("{}{}", info.name, info.args.example());
            let Ok(field) = FieldRef::parse(&text) else { panic!("{text}") };
            assert_eq!((field.field, field.text()), (info.field, text));
        }
        for text in ["volume(250s)", "high(100ms)", "low(30m)", "vwap_anchor(10:30:15)"] {
            assert_eq!(FieldRef::parse(text).map(|field| field.text()), Ok(text.to_owned()));
        }
        assert_eq!(FieldRef::parse("change( 50t )").map(|f| f.text()), Ok("change(50t)".to_owned()));
        assert_eq!(FieldRef::parse("price").map(|f| f.text()), Ok("last".to_owned()));
    }

    #[test]
    fn bad_names_suggest_the_nearest() {
        assert_eq!(FieldRef::parse("volme"), Err(FieldError::Unknown(vec!["volume".into(), "volume(w)".into()])));
        assert_eq!(FieldRef::parse("vwap_dist(5m)"), Err(FieldError::TakesNoWindow));
        assert_eq!(FieldRef::parse("trade_rate"), Err(FieldError::NeedsWindow));
        assert!(matches!(FieldRef::parse("volume(5x)"), Err(FieldError::BadWindow(_))));
        assert!(matches!(FieldRef::parse("change(0t)"), Err(FieldError::BadWindow(_))));
        let ways = vec!["change".to_owned(), "change(5m)".to_owned(), "change(50t)".to_owned()];
        assert_eq!(FieldRef::parse("change(5x)"), Err(FieldError::Arguments(ways.clone())));
        assert_eq!(FieldRef::parse("change(5)"), Err(FieldError::Arguments(ways)));
        assert!(matches!(FieldRef::parse("change(2d)"), Err(FieldError::BadWindow(_))));
        assert!(matches!(FieldRef::parse("change(50ms)"), Err(FieldError::BadWindow(_))));
    }

    #[test]
    fn undefined_is_nan_never_infinite() {
        let row = Row::unset(0);
        let window = WindowRow::empty();
        for info in CATALOGUE {
            let got = value(info.field, &row, &window, SECOND, TIME_UNSET);
            let zero = matches!(
                info.field,
                Field::Volume
                    | Field::DollarVolume
                    | Field::TradeCount
                    | Field::VolumeW
                    | Field::DollarVolumeW
                    | Field::TradeCountW
                    | Field::TradeRateW
            );
            let expected = if info.field == Field::IsStale { got == 1.0 } else { got.is_nan() };
            assert!(if zero { got == 0.0 } else { expected }, "{} = {got}", info.name);
        }
    }

    #[test]
    fn crossed_has_no_mid_and_locked_has() {
        let mut row = Row::unset(0);
        (row.bid, row.ask) = (10.0, 10.0);
        assert_eq!(value(Field::Spread, &row, &WindowRow::empty(), 0, 0), 0.0);
        row.ask = 9.0;
        assert!(value(Field::SpreadBps, &row, &WindowRow::empty(), 0, 0).is_nan());
        assert!(value(Field::Spread, &row, &WindowRow::empty(), 0, 0).is_nan());
    }
}
