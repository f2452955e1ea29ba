// The order of the values of each day: exact, with ties, NaN left out.
//
// A cell becomes one 32-bit key: the leading bits of its place in the day's range of values, then
// its column. As many days as a register has lanes are sorted together (sort.hpp). Neighbours whose
// leading bits agree are then compared by value, so the order is exact for any data.
#pragma once

#include <algorithm>
#include <cstring>

#include "call.hpp"
#include "lanes.hpp"
#include "sort.hpp"

namespace alphamine {

using FloatVec = Vec<float>;
using FloatBits = Mask<float>;

// kKeyLanes cells as the universe lets them be seen; doubles rounded, which keeps their order.
inline FloatVec seen(const float* x, const float* inside) { return load(x) + load(inside); }

inline FloatVec seen(const double* x, const double* inside) {
    constexpr int half = kLanes<double>;
    HalfFloat parts[2];
    for (int h = 0; h < 2; ++h) {
        parts[h] = __builtin_convertvector(load(x + h * half) + load(inside + h * half), HalfFloat);
    }
    FloatVec both;
    std::memcpy(&both, parts, sizeof both);
    return both;
}

// How one day's values become keys. Magnitudes further than `kOctaves` below the typical one (the
// mean of the exponents) count as zero at first, so that signs and tiny values do not eat the bits.
struct Packing {
    Index count;         // values that are present
    std::int32_t floor;  // bits of the largest magnitude that counts as zero
    std::int32_t low;    // place of the smallest value
    int shift;           // trailing bits of places left out of the keys
    int index_bits;
};
constexpr std::int32_t kOctaves = 12 << 23;

// Place of each value: integers in the order of the values.
inline FloatBits places(FloatVec values, std::int32_t floor) {
    const FloatBits bits = reinterpret_cast<FloatBits>(values);
    const FloatBits sign = bits >> 31;
    FloatBits magnitude = (bits & 0x7fffffff) - floor;
    magnitude = magnitude > 0 ? magnitude : FloatBits{};
    return (magnitude ^ sign) - sign;
}

inline int bits_for(Index values) {
    int bits = 1;
    while ((Index{1} << bits) < values) ++bits;
    return bits;
}

template <class T>
inline Packing measure(const T* x, const T* inside, Index columns, int index_bits) {
    FloatVec low = splat(kInf<float>), high = splat(-kInf<float>);
    FloatBits negative_count{}, magnitudes{};
    for (Index n = 0; n < columns; n += kKeyLanes) {
        const FloatVec value = seen(x + n, inside + n);
        const FloatBits present = value == value;
        low = lower(value, low);
        high = higher(value, high);
        negative_count += present;
        // Exponents of 8 bits: their sum stays inside 31 bits for any number of columns.
        magnitudes += (reinterpret_cast<FloatBits>(value) >> 23) & 0xff & present;
    }
    Packing packing{0, 0, 0, 0, index_bits};
    FloatVec ends = splat(low[0]);
    Index exponents = 0;
    ends[1] = high[0];
    for (int l = 0; l < kKeyLanes; ++l) {
        ends[0] = std::min<float>(ends[0], low[l]);
        ends[1] = std::max<float>(ends[1], high[l]);
        packing.count -= negative_count[l];
        exponents += magnitudes[l];
    }
    if (packing.count == 0) return packing;
    const std::int32_t typical = std::int32_t(exponents / packing.count) << 23;
    packing.floor = std::max(0, typical - kOctaves);
    const FloatBits extremes = places(ends, packing.floor);
    packing.low = extremes[0];
    const std::uint32_t range = std::uint32_t(extremes[1]) - std::uint32_t(extremes[0]);
    // The last prefix is that of missing cells.
    const std::uint32_t limit = (1u << (32 - index_bits)) - 1;
    while ((range >> packing.shift) >= limit) ++packing.shift;
    return packing;
}

// Keys of kKeyLanes cells, without their columns.
inline Keys pack(FloatVec values, const Packing& packing) {
    const FloatBits offset = places(values, packing.floor) - packing.low;
    Keys prefix = reinterpret_cast<Keys>(offset) >> packing.shift;
    prefix = values == values ? prefix : ~Keys{};
    return prefix << packing.index_bits;
}

// Twice the average rank, from 0, at each position of values that are sorted; no branch depends on
// the data. `run` is scratch for the number of the run of equal values that a position belongs to,
// `end` for where each run ends; gives whether any values are equal.
template <class V>
inline bool average_runs(const V* sorted, Index count, std::uint32_t* run, std::uint32_t* end,
                         std::uint32_t* twice) {
    std::uint32_t number = 0;
    run[0] = 0;
    end[0] = 1;
    for (Index i = 1; i < count; ++i) {
        number += sorted[i] != sorted[i - 1];
        run[i] = number;
        end[number] = static_cast<std::uint32_t>(i) + 1;
    }
    for (std::uint32_t r = number; r > 0; --r) end[r] += end[r - 1] - 1;
    end[0] -= 1;
    for (Index i = 0; i < count; ++i) twice[i] = end[run[i]];
    return number + 1 < count;
}

// One day in order.
struct SortedDay {
    Index count;                 // values that are present
    const std::uint32_t* order;  // their columns by ascending value
    const std::uint32_t* twice;  // twice the average rank, from 0, at each position
    bool tied;                   // false: the ranks are 0, 1, 2, ... and `twice` is not filled
};

// The cells of one day as the universe lets them be seen; `columns` is a multiple of kLaneBlock.
template <class T>
struct DayCells {
    const T* x;
    const T* inside;
    Index columns;
};

inline Index padded(Index columns) { return (columns + kLaneBlock - 1) / kLaneBlock * kLaneBlock; }

// Sorts a group of days at a time, then hands them out one by one.
template <class T>
class DaySorter {
public:
    // `columns`: the most that a day has.
    DaySorter(Index columns, Arena& arena)
        : padded_(padded(columns)),
          keys_(arena.take<Keys>(padded_ + 1)),
          rows_(arena.take<std::uint32_t>(kKeyLanes * pitch())),
          values_(arena.take<T>(padded_)),
          twice_(arena.take<std::uint32_t>(padded_)),
          run_(arena.take<std::uint32_t>(padded_)),
          end_(arena.take<std::uint32_t>(padded_)) {}

    // At most kKeyLanes days.
    void sort(const DayCells<T>* cells, Index days) {
        Index longest = kLaneBlock;
        for (Index l = 0; l < days; ++l) longest = std::max(longest, cells[l].columns);
        index_bits_ = bits_for(longest);
        Index length[kKeyLanes] = {}, most = kLaneBlock;
        for (Index l = 0; l < days; ++l) {
            packing_[l] = measure(cells[l].x, cells[l].inside, cells[l].columns, index_bits_);
            x_[l] = cells[l].x;
            length[l] = pack_day(cells[l], packing_[l], row(l));
            most = std::max(most, length[l]);
        }
        for (int l = 0; l < kKeyLanes; ++l) std::fill(row(l) + length[l], row(l) + most, ~0u);
        for (Index n = 0; n < most; n += kKeyLanes) {
            Keys r[kKeyLanes];
#pragma GCC unroll 16
            for (int l = 0; l < kKeyLanes; ++l) r[l] = load_keys(row(l) + n);
            transpose(r);
#pragma GCC unroll 16
            for (int l = 0; l < kKeyLanes; ++l) keys_[n + l] = r[l];
        }
        sort_lanes(keys_, most);
        keys_[most] = ~Keys{};
        length_ = most;
        in_rows_ = false;
    }

    // One day by itself, from the last digit of its keys to the first: a register holds one day as
    // well as many, and a day in one lane would cost as much as a register full of them.
    void sort_alone(const DayCells<T>& cells) {
        index_bits_ = bits_for(std::max(kLaneBlock, cells.columns));
        packing_[0] = measure(cells.x, cells.inside, cells.columns, index_bits_);
        x_[0] = cells.x;
        const Index length = pack_day(cells, packing_[0], row(0));
        sort_by_digits(row(0), reinterpret_cast<std::uint32_t*>(keys_), length, index_bits_);
        in_rows_ = true;
    }

    // Sum of i * (column of the i-th value) for each day of the group, i from 0: NaN for days whose
    // keys alone do not tell the order. Whole numbers: exact below 2^53.
    void column_products(double* sums) const {
        constexpr int half = kLanes<double>;
        const Keys index = Keys{} + ((1u << index_bits_) - 1);
        Vec<double> low{}, high{}, at{};
        Keys close{};
        for (Index i = 0; i < length_; ++i) {
            const Keys key = keys_[i];
            const Keys missing = reinterpret_cast<Keys>((key | index) == ~Keys{});
            close |= reinterpret_cast<Keys>(((key ^ keys_[i + 1]) & ~index) == 0) & ~missing;
            const Keys columns = key & index & ~missing;
            low += widen<0>(columns) * at;
            high += widen<half>(columns) * at;
            at += 1.0;
        }
        for (int l = 0; l < kKeyLanes; ++l)
            sums[l] = close[l] ? kNaN<double> : l < half ? low[l] : high[l - half];
    }

    // The order of one day of the group, to be asked for once; valid until the next one is.
    SortedDay day(int day) {
        if (!in_rows_) to_rows();
        std::uint32_t* keys = row(day);
        const Index count = packing_[day].count;
        const std::uint32_t index = (1u << index_bits_) - 1;
        const T* x = x_[day];
        store_keys(keys + count, ~Keys{});
        std::uint32_t close = 0;  // neighbours; the key after the last one is like no other
        for (Index i = 0; i < count; ++i) close += (keys[i] ^ keys[i + 1]) <= index;
        bool tied = false;
        if (close > count / 16) {
            tied = average_all(keys, x, count, index);
        } else if (close > 0) {
            for_each_run(keys, count, index, [&](Index begin, Index end) {
                by_value(keys, x, begin, end, index);
                for (Index i = begin; i + 1 < end; ++i)
                    tied |= x[keys[i] & index] == x[keys[i + 1] & index];
            });
            if (tied) average_few(keys, x, count, index);
        }
        for (Index i = 0; i < count; ++i) keys[i] &= index;
        return {count, keys, twice_, tied};
    }

private:
    Index pitch() const { return padded_ + kLaneBlock; }
    std::uint32_t* row(Index day) { return rows_ + day * pitch(); }

    // Writes the keys of a day; gives how many there are, a multiple of kLaneBlock. Missing cells
    // are left out where they are many.
    Index pack_day(const DayCells<T>& cells, const Packing& packing, std::uint32_t* keys) const {
        const bool sparse = packing.count < cells.columns / 8 * 7;
        Index used = 0;
        Keys columns;
        for (int l = 0; l < kKeyLanes; ++l) columns[l] = l;
        for (Index n = 0; n < cells.columns; n += kKeyLanes) {
            const FloatVec values = seen(cells.x + n, cells.inside + n);
            const Keys packed = pack(values, packing) | columns;
            used += sparse ? store_chosen(keys + used, packed, values == values)
                           : (store_keys(keys + used, packed), kKeyLanes);
            columns += kKeyLanes;
        }
        const Index length = padded(used);
        std::fill(keys + used, keys + length, ~0u);
        return length;
    }

    void to_rows() {
        for (Index n = 0; n < length_; n += kKeyLanes) {
            Keys r[kKeyLanes];
#pragma GCC unroll 16
            for (int l = 0; l < kKeyLanes; ++l) r[l] = keys_[n + l];
            transpose(r);
#pragma GCC unroll 16
            for (int l = 0; l < kKeyLanes; ++l) store_keys(row(l) + n, r[l]);
        }
        in_rows_ = true;
    }

    // Calls visit(begin, end) on the runs of keys whose leading bits agree, of which there are few.
    template <class Visit>
    static void for_each_run(const std::uint32_t* keys, Index count, std::uint32_t index,
                             Visit visit) {
        const Keys prefix = Keys{} + ~index;
        for (Index i = 0; i + 1 < count;) {
            const Keys differ = (load_keys(keys + i) ^ load_keys(keys + i + 1)) & prefix;
            if (!any(differ == 0)) {
                i += kKeyLanes;
                continue;
            }
            while ((keys[i] ^ keys[i + 1]) > index) ++i;
            if (i + 1 >= count) return;
            Index end = i + 2;
            while ((keys[end] ^ keys[i]) <= index) ++end;
            visit(i, end);
            i = end;
        }
    }

    static void by_value(std::uint32_t* keys, const T* x, Index begin, Index end,
                         std::uint32_t index) {
        std::sort(keys + begin, keys + end, [&](std::uint32_t a, std::uint32_t b) {
            return x[a & index] < x[b & index];
        });
    }

    // Average ranks of a day with few ties, whose close keys are in order.
    void average_few(const std::uint32_t* keys, const T* x, Index count, std::uint32_t index) {
        for (Index i = 0; i < count; ++i) twice_[i] = 2 * i;
        for_each_run(keys, count, index, [&](Index begin, Index end) {
            for (Index i = begin; i < end;) {
                Index j = i + 1;
                while (j < end && x[keys[j] & index] == x[keys[i] & index]) ++j;
                for (Index k = i; k < j; ++k) twice_[k] = i + j - 1;
                i = j;
            }
        });
    }

    // The same for many ties, without branches that depend on the data; gives whether there are any.
    bool average_all(std::uint32_t* keys, const T* x, Index count, std::uint32_t index) {
        const auto read = [&] {
            Index descents = 0;
            for (Index i = 0; i < count; ++i) values_[i] = x[keys[i] & index];
            for (Index i = 0; i + 1 < count; ++i) descents += values_[i] > values_[i + 1];
            return descents;
        };
        if (read() > 0) {
            for_each_run(keys, count, index, [&](Index begin, Index end) {
                by_value(keys, x, begin, end, index);
            });
            read();
        }
        return average_runs(values_, count, run_, end_, twice_);
    }

    Index padded_;
    int index_bits_ = 0;
    Keys* keys_;
    std::uint32_t* rows_;
    T* values_;  // of one day, in order
    std::uint32_t *twice_, *run_, *end_;
    Packing packing_[kKeyLanes];
    const T* x_[kKeyLanes] = {};
    Index length_ = 0;      // registers in use
    bool in_rows_ = false;  // the sorted keys, day by day
};

// Runs body(row, day) on the order of every day of the call.
template <class T, class Body>
inline void for_sorted_days(const T* x, Index x_stride, const T* inside, Index inside_stride,
                            Shape shape, Arena& arena, Body body) {
    DaySorter<T> sorter(shape.columns, arena);
    for (Index start = 0; start < shape.rows; start += kKeyLanes) {
        const Index days = std::min<Index>(kKeyLanes, shape.rows - start);
        DayCells<T> cells[kKeyLanes];
        for (Index l = 0; l < days; ++l)
            cells[l] = {x + (start + l) * x_stride, inside + (start + l) * inside_stride,
                        padded(shape.columns)};
        if (days == 1)
            sorter.sort_alone(cells[0]);
        else
            sorter.sort(cells, days);
        for (int l = 0; l < days; ++l) body(start + l, sorter.day(l));
    }
}

// (r - 1) / (n - 1) of the average rank r of n values; missing where n = 1. Twice the rank from 0
// and twice n - 1 are whole numbers, so that one division gives the correctly rounded result.
template <class T>
class RankValues {
public:
    explicit RankValues(Index columns, Arena& arena) : values_(arena.take<T>(columns)) {}

    const T* operator()(const SortedDay& day) {
        const T last = T(2 * (day.count - 1));
        if (day.tied) {
            for (Index i = 0; i < day.count; ++i) values_[i] = T(std::int32_t(day.twice[i])) / last;
            untied_ = 0;
        } else if (untied_ != day.count) {
            for (std::int32_t i = 0; i < day.count; ++i) values_[i] = T(2 * i) / last;
            untied_ = day.count;
        }
        return values_;
    }

private:
    T* values_;
    Index untied_ = 0;  // how many untied ranks `values_` holds
};

template <class T>
inline void clear_row(T* row, Index stride) {
    for (Index n = 0; n < stride; n += kLanes<T>) store(row + n, splat(kNaN<T>));
}

template <class T>
inline void scatter(const T* values, const SortedDay& day, T* row) {
#pragma GCC unroll 8
    for (Index i = 0; i < day.count; ++i) row[day.order[i]] = values[i];
}

template <class T>
void rank(const Call<T>& s) {
    RankValues<T> ranks(s.shape.stride, *s.arena);
    for_sorted_days(s.input(0), s.stride[0], s.inside, s.shape.stride, s.shape, *s.arena,
                    [&](Index t, const SortedDay& day) {
                        T* row = s.out + t * s.shape.stride;
                        clear_row(row, s.shape.stride);
                        if (day.count > 1) scatter(ranks(day), day, row);
                    });
}

}  // namespace alphamine
