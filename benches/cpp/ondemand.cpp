// simdjson On-Demand as a contestant: a hand-written walk over each event to the fields that ringtape reads, in two
// styles. "by key" asks for one key after the other in the order of the wire, which is quickest where that order holds;
// "key by key" takes the keys as they come. Values go to one record of the kind, symbols and ids are copied, decimals
// become doubles (ringtape also makes them integers of 1e-8; that is left out here). What is not read is not checked.
//
// The orders of `benches/rounds.rs`, from standard input: "round NAME" answers with the nanoseconds of one core,
// "see NAME FILE" writes the prices and answers with the number of events. `table.py` builds and runs this program.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <simdjson.h>

namespace od = simdjson::ondemand;

#define INLINE inline __attribute__((always_inline))

constexpr double unset = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t no_number = std::numeric_limits<int64_t>::min();

struct Text {
    char bytes[24] = {};
    uint32_t len = 0;
    // simdjson's strings stand in a buffer with room behind them, so the copy need not ask for their length.
    void set(std::string_view text) {
        len = uint32_t(std::min(text.size(), sizeof bytes));
        std::memcpy(bytes, text.data(), sizeof bytes);
    }
};

struct Codes {
    uint16_t ids[8] = {};
    uint8_t count = 0;
};

struct Trade {
    Text symbol, id;
    double price = unset, size = unset;
    int64_t exchange = no_number, time = no_number, participant = no_number, sent = no_number, sequence = no_number;
    int64_t tape = no_number, trf = no_number, trf_time = no_number, first = no_number, last = no_number;
    Codes conditions;
    bool is_buyer_maker = false;
};

struct Quote {
    Text symbol;
    double bid = unset, ask = unset, bid_size = unset, ask_size = unset;
    int64_t bid_exchange = no_number, ask_exchange = no_number, time = no_number, participant = no_number;
    int64_t sent = no_number, sequence = no_number, condition = no_number, tape = no_number;
    Codes indicators;
};

struct Bar {
    Text symbol;
    double open = unset, high = unset, low = unset, close = unset, volume = unset, day_volume = unset, vwap = unset;
    double day_open = unset, day_vwap = unset, average_size = unset, notional = unset, buys = unset, bought = unset;
    int64_t start = no_number, end = no_number, sent = no_number, count = no_number, first = no_number;
    int64_t last = no_number;
    bool is_closed = false;
};

struct Mark {
    Text symbol;
    double mark = unset, average = unset, index = unset, settle = unset, rate = unset;
    int64_t time = no_number, next_funding = no_number;
};

struct Frame {
    const char* at;
    size_t len;
};

// Records of the last frame, and of all frames the prices where somebody wants to see them.
struct Out {
    std::vector<Trade> trades;
    std::vector<Quote> quotes;
    std::vector<Bar> bars;
    std::vector<Mark> marks;
    bool is_seeing = false;
    std::vector<double> prices;
    size_t events = 0;

    void clear() {
        trades.clear();
        quotes.clear();
        bars.clear();
        marks.clear();
    }
    void see(double price) {
        if (is_seeing && !std::isnan(price)) prices.push_back(price);
    }
    void add(Trade*& record) { record = &trades.emplace_back(); }
    void add(Quote*& record) { record = &quotes.emplace_back(); }
    void add(Bar*& record) { record = &bars.emplace_back(); }
    void add(Mark*& record) { record = &marks.emplace_back(); }
    void done(const Trade& it) { see(it.price), ++events; }
    void done(const Quote& it) { see(it.bid), see(it.ask), ++events; }
    void done(const Bar& it) { see(it.close), ++events; }
    void done(const Mark& it) { see(it.mark), ++events; }
};

[[noreturn]] void fail(const char* why) {
    std::fprintf(stderr, "ondemand: %s\n", why);
    std::exit(1);
}

// How a value becomes a field. A key that is not there leaves the field unset; a value of another type is an error.
struct Into {
    bool is_sound = true;
    void check(simdjson::error_code error) { is_sound &= !error; }
    INLINE void text(od::value value, Text& to) {
        std::string_view text;
        check(value.get_string().get(text));
        to.set(text);
    }
    INLINE void number(od::value value, double& to) { check(value.get_double().get(to)); }
    INLINE void number(od::value value, int64_t& to) { check(value.get_int64().get(to)); }
    INLINE void decimal(od::value value, double& to) { check(value.get_double_in_string().get(to)); }
    INLINE void flag(od::value value, bool& to) { check(value.get_bool().get(to)); }
    void codes(od::value value, Codes& to) {
        od::array list;
        check(value.get_array().get(list));
        to.count = 0;
        for (auto each : list) {
            uint64_t id = 0;
            check(each.get_uint64().get(id));
            if (to.count < 8) to.ids[to.count++] = uint16_t(id);
        }
    }
};

// The keys of each kind in the order of the wire. A field that two keys give is taken from the last of them.
struct MassiveTrade {
    using Record = Trade;
    template <class F> INLINE static void fields(Trade& t, Into& in, F&& field) {
        field("sym", [&](od::value v) { in.text(v, t.symbol); });
        field("i", [&](od::value v) { in.text(v, t.id); });
        field("x", [&](od::value v) { in.number(v, t.exchange); });
        field("p", [&](od::value v) { in.number(v, t.price); });
        field("s", [&](od::value v) { in.number(v, t.size); });
        field("c", [&](od::value v) { in.codes(v, t.conditions); });
        field("t", [&](od::value v) { in.number(v, t.time); });
        field("pt", [&](od::value v) { in.number(v, t.participant); });
        field("q", [&](od::value v) { in.number(v, t.sequence); });
        field("z", [&](od::value v) { in.number(v, t.tape); });
        field("trfi", [&](od::value v) { in.number(v, t.trf); });
        field("trft", [&](od::value v) { in.number(v, t.trf_time); });
        field("ds", [&](od::value v) { in.decimal(v, t.size); });
    }
};

struct MassiveQuote {
    using Record = Quote;
    template <class F> INLINE static void fields(Quote& q, Into& in, F&& field) {
        field("sym", [&](od::value v) { in.text(v, q.symbol); });
        field("c", [&](od::value v) { in.number(v, q.condition); });
        field("i", [&](od::value v) { in.codes(v, q.indicators); });
        field("bx", [&](od::value v) { in.number(v, q.bid_exchange); });
        field("ax", [&](od::value v) { in.number(v, q.ask_exchange); });
        field("bp", [&](od::value v) { in.number(v, q.bid); });
        field("ap", [&](od::value v) { in.number(v, q.ask); });
        field("bs", [&](od::value v) { in.number(v, q.bid_size); });
        field("as", [&](od::value v) { in.number(v, q.ask_size); });
        field("t", [&](od::value v) { in.number(v, q.time); });
        field("pt", [&](od::value v) { in.number(v, q.participant); });
        field("q", [&](od::value v) { in.number(v, q.sequence); });
        field("z", [&](od::value v) { in.number(v, q.tape); });
    }
};

struct MassiveBar {
    using Record = Bar;
    template <class F> INLINE static void fields(Bar& b, Into& in, F&& field) {
        field("sym", [&](od::value v) { in.text(v, b.symbol); });
        field("v", [&](od::value v) { in.number(v, b.volume); });
        field("av", [&](od::value v) { in.number(v, b.day_volume); });
        field("op", [&](od::value v) { in.number(v, b.day_open); });
        field("vw", [&](od::value v) { in.number(v, b.vwap); });
        field("o", [&](od::value v) { in.number(v, b.open); });
        field("c", [&](od::value v) { in.number(v, b.close); });
        field("h", [&](od::value v) { in.number(v, b.high); });
        field("l", [&](od::value v) { in.number(v, b.low); });
        field("a", [&](od::value v) { in.number(v, b.day_vwap); });
        field("z", [&](od::value v) { in.number(v, b.average_size); });
        field("s", [&](od::value v) { in.number(v, b.start); });
        field("e", [&](od::value v) { in.number(v, b.end); });
        field("dv", [&](od::value v) { in.decimal(v, b.volume); });
        field("dav", [&](od::value v) { in.decimal(v, b.day_volume); });
    }
};

struct Ticker {
    using Record = Quote;
    template <class F> INLINE static void fields(Quote& q, Into& in, F&& field) {
        field("u", [&](od::value v) { in.number(v, q.sequence); });
        field("s", [&](od::value v) { in.text(v, q.symbol); });
        field("b", [&](od::value v) { in.decimal(v, q.bid); });
        field("B", [&](od::value v) { in.decimal(v, q.bid_size); });
        field("a", [&](od::value v) { in.decimal(v, q.ask); });
        field("A", [&](od::value v) { in.decimal(v, q.ask_size); });
        field("T", [&](od::value v) { in.number(v, q.time); });
        field("E", [&](od::value v) { in.number(v, q.sent); });
    }
};

struct Aggregate {
    using Record = Trade;
    template <class F> INLINE static void fields(Trade& t, Into& in, F&& field) {
        field("E", [&](od::value v) { in.number(v, t.sent); });
        field("a", [&](od::value v) { in.number(v, t.sequence); });
        field("s", [&](od::value v) { in.text(v, t.symbol); });
        field("p", [&](od::value v) { in.decimal(v, t.price); });
        field("q", [&](od::value v) { in.decimal(v, t.size); });
        field("f", [&](od::value v) { in.number(v, t.first); });
        field("l", [&](od::value v) { in.number(v, t.last); });
        field("T", [&](od::value v) { in.number(v, t.time); });
        field("m", [&](od::value v) { in.flag(v, t.is_buyer_maker); });
    }
};

struct Candle {
    using Record = Bar;
    template <class F> INLINE static void fields(Bar& b, Into& in, F&& field) {
        field("t", [&](od::value v) { in.number(v, b.start); });
        field("T", [&](od::value v) { in.number(v, b.end); });
        field("f", [&](od::value v) { in.number(v, b.first); });
        field("L", [&](od::value v) { in.number(v, b.last); });
        field("o", [&](od::value v) { in.decimal(v, b.open); });
        field("c", [&](od::value v) { in.decimal(v, b.close); });
        field("h", [&](od::value v) { in.decimal(v, b.high); });
        field("l", [&](od::value v) { in.decimal(v, b.low); });
        field("v", [&](od::value v) { in.decimal(v, b.volume); });
        field("n", [&](od::value v) { in.number(v, b.count); });
        field("x", [&](od::value v) { in.flag(v, b.is_closed); });
        field("q", [&](od::value v) { in.decimal(v, b.notional); });
        field("V", [&](od::value v) { in.decimal(v, b.buys); });
        field("Q", [&](od::value v) { in.decimal(v, b.bought); });
    }
};

struct MarkPrice {
    using Record = Mark;
    template <class F> INLINE static void fields(Mark& m, Into& in, F&& field) {
        field("E", [&](od::value v) { in.number(v, m.time); });
        field("s", [&](od::value v) { in.text(v, m.symbol); });
        field("p", [&](od::value v) { in.decimal(v, m.mark); });
        field("ap", [&](od::value v) { in.decimal(v, m.average); });
        field("P", [&](od::value v) { in.decimal(v, m.settle); });
        field("i", [&](od::value v) { in.decimal(v, m.index); });
        field("r", [&](od::value v) { in.decimal(v, m.rate); });
        field("T", [&](od::value v) { in.number(v, m.next_funding); });
    }
};

// A style: how the fields of a record are found in an object.
struct ByKey {
    template <class Layout> static void read(od::object& from, typename Layout::Record& to, Into& in) {
        Layout::fields(to, in, [&](std::string_view key, auto&& take) __attribute__((always_inline)) {
            od::value value;
            if (!from.find_field_unordered(key).get(value)) take(value);
        });
    }
};

// Up to seven bytes of a key as a number.
constexpr uint64_t packed(std::string_view key) {
    uint64_t word = 0;
    for (size_t at = key.size(); at-- > 0;) word = word << 8 | uint8_t(key[at]);
    return word;
}

// The key of a member, as it stands in the frame; 0 where it is longer than the longest that is known.
uint64_t packed(const char* raw) {
    uint64_t word;
    std::memcpy(&word, raw, 8);
    uint64_t other = word ^ 0x2222222222222222;
    uint64_t quote = (other - 0x0101010101010101) & ~other & 0x8080808080808080;
    return quote ? word & (((quote & -quote) >> 7) - 1) : 0;
}

struct KeyByKey {
    template <class Layout> static void read(od::object& from, typename Layout::Record& to, Into& in) {
        // The kind was asked for before.
        in.check(from.reset().error());
        for (auto member : from) {
            od::raw_json_string name;
            od::value value;
            in.check(member.key().get(name));
            in.check(member.value().get(value));
            if (!in.is_sound) return;
            uint64_t word = packed(name.raw());
            // All of it is inlined, and the compiler makes a tree of the comparisons.
            Layout::fields(to, in, [&](std::string_view key, auto&& take) __attribute__((always_inline)) {
                if (word == packed(key)) take(value);
            });
        }
    }
};

template <class Style, class Layout> void read(od::object& from, Out& out, Into& in) {
    typename Layout::Record* record;
    out.add(record);
    Style::template read<Layout>(from, *record, in);
    out.done(*record);
}

template <class Style> void massive_event(od::object event, Out& out, Into& in) {
    std::string_view kind;
    in.check(event.find_field_unordered("ev").get_string().get(kind));
    if (kind == "Q") return read<Style, MassiveQuote>(event, out, in);
    if (kind == "T") return read<Style, MassiveTrade>(event, out, in);
    if (kind == "A" || kind == "AM") return read<Style, MassiveBar>(event, out, in);
    fail("an event of no known kind");
}

template <class Style> void binance_event(od::object event, Out& out, Into& in) {
    std::string_view kind;
    in.check(event.find_field_unordered("e").get_string().get(kind));
    if (kind == "bookTicker") return read<Style, Ticker>(event, out, in);
    if (kind == "aggTrade") return read<Style, Aggregate>(event, out, in);
    if (kind == "markPriceUpdate") return read<Style, MarkPrice>(event, out, in);
    if (kind != "kline") fail("an event of no known kind");
    Bar* candle;
    out.add(candle);
    od::object inner;
    od::value value;
    if (!event.find_field_unordered("E").get(value)) in.number(value, candle->sent);
    if (!event.find_field_unordered("s").get(value)) in.text(value, candle->symbol);
    in.check(event.find_field_unordered("k").get_object().get(inner));
    Style::template read<Candle>(inner, *candle, in);
    out.done(*candle);
}

template <class Style> void massive_frame(od::document& frame, Out& out, Into& in) {
    od::array events;
    in.check(frame.get_array().get(events));
    for (auto each : events) {
        od::object event;
        in.check(each.get_object().get(event));
        if (!in.is_sound) return;
        massive_event<Style>(event, out, in);
    }
}

template <class Style> void binance_frame(od::document& frame, Out& out, Into& in) {
    od::object envelope;
    std::string_view stream;
    od::value data;
    in.check(frame.get_object().get(envelope));
    in.check(envelope.find_field_unordered("stream").get_string().get(stream));
    in.check(envelope.find_field_unordered("data").get(data));
    if (!in.is_sound) return;
    auto type = od::json_type::null;
    in.check(data.type().get(type));
    if (type == od::json_type::object) {
        od::object event;
        in.check(data.get_object().get(event));
        return binance_event<Style>(event, out, in);
    }
    od::array events;
    in.check(data.get_array().get(events));
    for (auto each : events) {
        od::object event;
        in.check(each.get_object().get(event));
        if (!in.is_sound) return;
        binance_event<Style>(event, out, in);
    }
}

// A corpus file, see `corpus.py`: venue, days, frames to warm up with, frames to measure.
struct Corpus {
    std::string file;
    bool is_massive = true;
    std::vector<Frame> warm, measured;

    explicit Corpus(const char* path) {
        std::ifstream stream(path, std::ios::binary);
        file.assign(std::istreambuf_iterator<char>(stream), {});
        end = file.size();
        file.resize(end + simdjson::SIMDJSON_PADDING);
        Frame venue = bytes();
        is_massive = std::string_view(venue.at, venue.len).rfind("massive.", 0) == 0;
        at += size_t(number()) * 5 * 8;
        frames(warm);
        frames(measured);
    }

  private:
    size_t at = 0, end = 0;

    uint32_t number() {
        uint32_t value;
        if (at + 4 > end) fail("the corpus ends in the middle");
        std::memcpy(&value, file.data() + at, 4);
        at += 4;
        return value;
    }
    Frame bytes() {
        uint32_t len = number();
        if (at + len > end) fail("the corpus ends in the middle");
        Frame frame{file.data() + at, len};
        at += len;
        return frame;
    }
    void frames(std::vector<Frame>& into) {
        for (uint32_t count = number(); count > 0; --count) {
            at += 8;
            into.push_back(bytes());
        }
    }
};

template <class Style> void pass(const Corpus& corpus, const std::vector<Frame>& frames, od::parser& parser, Out& out) {
    for (const Frame& frame : frames) {
        out.clear();
        od::document document;
        Into in;
        in.check(parser.iterate(simdjson::padded_string_view(frame.at, frame.len, frame.len + simdjson::SIMDJSON_PADDING))
                     .get(document));
        if (!in.is_sound) fail("a frame that is not sound");
        corpus.is_massive ? massive_frame<Style>(document, out, in) : binance_frame<Style>(document, out, in);
        if (!in.is_sound) fail("a frame that is not sound");
        asm volatile("" : : "r"(&out) : "memory");
    }
}

int64_t now() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return int64_t(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

int main(int count, char** given) {
    if (count != 3 || std::string_view(given[1]) != "serve") fail("write `ondemand serve FILE`");
    Corpus corpus(given[2]);
    od::parser parser;
    Out out;
    auto run = [&](const std::string& name, const std::vector<Frame>& frames) {
        if (name == "by-key") return pass<ByKey>(corpus, frames, parser, out);
        if (name == "key-by-key") return pass<KeyByKey>(corpus, frames, parser, out);
        fail("no such contestant");
    };
    std::string order, name, path;
    while (std::cin >> order >> name) {
        if (order == "see") {
            std::cin >> path;
            out.is_seeing = true, out.events = 0, out.prices.clear();
            run(name, corpus.measured);
            out.is_seeing = false;
            std::ofstream file(path, std::ios::binary);
            file.write(reinterpret_cast<const char*>(out.prices.data()), std::streamsize(out.prices.size() * 8));
            file.close();
            std::cout << out.events << std::endl;
        } else {
            run(name, corpus.warm);
            int64_t start = now();
            run(name, corpus.measured);
            std::cout << now() - start << std::endl;
        }
    }
}
