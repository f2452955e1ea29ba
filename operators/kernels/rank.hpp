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
// `end` for where each run ends.
template <class V>
inline void average_runs(const V* sorted, Index count, std::uint32_t* run, std::uint32_t* end,
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
}

// One day in order.
struct SortedDay {
    Index count;                 // values that are present
    const std::uint32_t* order;  // their columns by ascending value
    const std::uint32_t* twice;  // twice the average rank, from 0, at each position
    bool tied;                   // false: the ranks are 0, 1, 2, ... and `twice` is not filled
};

// Sorts a group of days at a time, then hands them out one by one.
template <class T>
class DaySorter {
public:
    DaySorter(Index columns, Arena& arena)
        : padded_((columns + kLaneBlock - 1) / kLaneBlock * kLaneBlock),
          index_bits_(bits_for(padded_)),
          keys_(arena.take<Keys>(padded_)),
          rows_(arena.take<std::uint32_t>(kKeyLanes * pitch())),
          values_(arena.take<T>(padded_)),
          twice_(arena.take<std::uint32_t>(padded_)),
          run_(arena.take<std::uint32_t>(padded_)),
          end_(arena.take<std::uint32_t>(padded_)) {}

    // At most kKeyLanes days.
    void sort(const T* x, Index x_stride, const T* inside, Index inside_stride, Index days) {
        x_ = x;
        stride_ = x_stride;
        const T* values[kKeyLanes];
        const T* members[kKeyLanes];
        for (int l = 0; l < kKeyLanes; ++l) {
            const Index day = std::min<Index>(l, days - 1);
            values[l] = x + day * x_stride;
            members[l] = inside + day * inside_stride;
            packing_[l] = measure(values[l], members[l], padded_, index_bits_);
        }
        Keys columns;
        for (int l = 0; l < kKeyLanes; ++l) columns[l] = l;
        for (Index n = 0; n < padded_; n += kKeyLanes) {
            Keys r[kKeyLanes];
#pragma GCC unroll 16
            for (int l = 0; l < kKeyLanes; ++l) {
                r[l] = pack(seen(values[l] + n, members[l] + n), packing_[l]) | columns;
            }
            transpose(r);
#pragma GCC unroll 16
            for (int l = 0; l < kKeyLanes; ++l) keys_[n + l] = r[l];
            columns += kKeyLanes;
        }
        sort_lanes(keys_, padded_);
        for (Index n = 0; n < padded_; n += kKeyLanes) {
            Keys r[kKeyLanes];
#pragma GCC unroll 16
            for (int l = 0; l < kKeyLanes; ++l) r[l] = keys_[n + l];
            transpose(r);
#pragma GCC unroll 16
            for (int l = 0; l < kKeyLanes; ++l) std::memcpy(row(l) + n, &r[l], sizeof r[l]);
        }
    }

    // The order of one day of the group, to be asked for once; valid until the next one is.
    SortedDay day(int day) {
        std::uint32_t* keys = row(day);
        const Index count = packing_[day].count;
        const std::uint32_t index = (1u << index_bits_) - 1;
        keys[count] = ~0u;
        std::uint32_t close = 0;  // neighbours; the key after the last one is like no other
        for (Index i = 0; i < count; ++i) close += (keys[i] ^ keys[i + 1]) <= index;
        const T* x = x_ + day * stride_;
        if (close > count / 16) {
            average_all(keys, x, count, index);
        } else if (close > 0) {
            for (Index i = 0; i < count; ++i) twice_[i] = 2 * i;
            for_each_run(keys, count, index, [&](Index begin, Index end) {
                by_value(keys, x, begin, end, index);
                average_run(keys, x, begin, end, index);
            });
        }
        for (Index i = 0; i < padded_; ++i) keys[i] &= index;
        return {count, keys, twice_, close > 0};
    }

private:
    Index pitch() const { return padded_ + kLaneBlock; }
    std::uint32_t* row(int day) { return rows_ + day * pitch(); }

    // Calls visit(begin, end) on the runs of keys whose leading bits agree.
    template <class Visit>
    static void for_each_run(const std::uint32_t* keys, Index count, std::uint32_t index,
                             Visit visit) {
        for (Index i = 0; i + 1 < count; ++i) {
            if ((keys[i] ^ keys[i + 1]) > index) continue;
            Index end = i + 2;
            while ((keys[end] ^ keys[i]) <= index) ++end;
            visit(i, end);
            i = end - 1;
        }
    }

    static void by_value(std::uint32_t* keys, const T* x, Index begin, Index end,
                         std::uint32_t index) {
        std::sort(keys + begin, keys + end, [&](std::uint32_t a, std::uint32_t b) {
            return x[a & index] < x[b & index];
        });
    }

    // Average ranks of the equal values among few sorted positions.
    void average_run(const std::uint32_t* keys, const T* x, Index begin, Index end,
                     std::uint32_t index) {
        for (Index i = begin; i < end;) {
            Index j = i + 1;
            while (j < end && x[keys[j] & index] == x[keys[i] & index]) ++j;
            for (Index k = i; k < j; ++k) twice_[k] = i + j - 1;
            i = j;
        }
    }

    // The same for a whole day with many ties, without branches that depend on the data.
    void average_all(std::uint32_t* keys, const T* x, Index count, std::uint32_t index) {
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
        average_runs(values_, count, run_, end_, twice_);
    }

    Index padded_;
    int index_bits_;
    Keys* keys_;
    std::uint32_t* rows_;
    T* values_;  // of one day, in order
    std::uint32_t *twice_, *run_, *end_;
    Packing packing_[kKeyLanes];
    const T* x_ = nullptr;
    Index stride_ = 0;
};

// Runs body(row, day) on the order of every day of the call.
template <class T, class Body>
inline void for_sorted_days(const T* x, Index x_stride, const T* inside, Index inside_stride,
                            Shape shape, Arena& arena, Body body) {
    DaySorter<T> sorter(shape.columns, arena);
    for (Index start = 0; start < shape.rows; start += kKeyLanes) {
        const Index days = std::min<Index>(kKeyLanes, shape.rows - start);
        sorter.sort(x + start * x_stride, x_stride, inside + start * inside_stride, inside_stride,
                    days);
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
