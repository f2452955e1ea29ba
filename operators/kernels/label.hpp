// The label of the scored days, ranked once for all formulas.
#pragma once

#include "rank.hpp"
#include "totals.hpp"
#include "workspace.hpp"

namespace alphamine {

// As many whole numbers as a register has doubles.
typedef std::int32_t HalfInt
    __attribute__((vector_size(AM_VECTOR_BYTES / 2), may_alias, aligned(4)));

inline Vec<double> load_wide(const std::int32_t* p) {
    return __builtin_convertvector(*reinterpret_cast<const HalfInt*>(p), Vec<double>);
}
inline Vec<double> load_wide(const std::uint32_t* p) {
    return load_wide(reinterpret_cast<const std::int32_t*>(p));
}

inline double sum_of(Vec<double> v) {
    double sum = 0.0;
    for (int l = 0; l < kLanes<double>; ++l) sum += v[l];
    return sum;
}

// Sum of a(i) * b[i] for i < count, where a gets a register of numbers from i on; of whole numbers,
// so that the sum is exact below 2^53. What is read of b beyond count does not count.
template <class A>
inline double sum_products(Index count, A a, const std::uint32_t* b) {
    constexpr Index L = kLanes<double>;
    Vec<double> at{}, even{}, odd{};
    for (Index l = 0; l < L; ++l) at[l] = static_cast<double>(l);
    Index i = 0;
    for (; i + 2 * L <= count; i += 2 * L) {
        even += a(i, at) * load_wide(b + i);
        odd += a(i + L, at + double(L)) * load_wide(b + i + L);
        at += double(2 * L);
    }
    for (; i < count; i += L) {
        even += only(at < static_cast<double>(count), a(i, at) * load_wide(b + i));
        at += double(L);
    }
    return sum_of(even + odd);
}

inline double sum_products(Index count, const std::uint32_t* a, const std::uint32_t* b) {
    return sum_products(count, [a](Index i, Vec<double>) { return load_wide(a + i); }, b);
}

// Sum of a[n] * b[n] for whole numbers, exact below 2^53; `stride` is a multiple of kLaneBlock.
inline double dot(const std::int32_t* a, const std::int32_t* b, Index stride) {
    constexpr Index L = kLanes<double>;
    Vec<double> even{}, odd{};
    for (Index n = 0; n < stride; n += 2 * L) {
        even += load_wide(a + n) * load_wide(b + n);
        odd += load_wide(a + n + L) * load_wide(b + n + L);
    }
    return sum_of(even + odd);
}

// Twice the average rank minus its mean, at column(place) of each place that a day orders; what has
// no rank is left as it is.
template <class Column>
inline void centre(const SortedDay& day, Column column, std::int32_t* centred) {
    const std::int32_t count = static_cast<std::int32_t>(day.count), mean = count - 1;
    if (day.tied) {
#pragma GCC unroll 4
        for (std::int32_t i = 0; i < count; ++i)
            centred[column(day.order[i])] = static_cast<std::int32_t>(day.twice[i]) - mean;
    } else {
#pragma GCC unroll 4
        for (std::int32_t i = 0; i < count; ++i) centred[column(day.order[i])] = 2 * i - mean;
    }
}

constexpr auto kAsTheyStand = [](std::uint32_t column) { return column; };

// The label of the scored days in every form that scores need; made once for a sample.
class LabelDays {
public:
    // `values`: (rows, columns) without padding, NaN where there is no label.
    LabelDays(const double* values, Index rows, Index columns)
        : rows(rows), stride(padded(columns)) {
        const std::size_t cells = rows * stride;
        const std::size_t scratch = 256 * (stride + kLaneBlock) + 4096;
        if (!pages_.ensure(cells * 20 + rows * 24 + scratch + 4096)) return;
        Arena arena(pages_.data(), pages_.bytes());
        this->values = arena.take<double>(cells);
        order = arena.take<std::uint32_t>(cells);
        twice = arena.take<std::uint32_t>(cells);
        centred = arena.take<std::int32_t>(cells);
        count = arena.take<std::int64_t>(rows);
        tied = arena.take<std::int32_t>(rows);
        for (Index t = 0; t < rows; ++t) {
            double* row = this->values + t * stride;
            std::copy(values + t * columns, values + (t + 1) * columns, row);
            std::fill(row + columns, row + stride, kNaN<double>);
        }
        double* everyone = arena.take<double>(stride);
        std::fill(everyone, everyone + stride, 0.0);
        for_sorted_days(this->values, stride, everyone, 0, Shape{rows, columns, stride}, arena,
                        [&](Index t, const SortedDay& day) { note(t, day); });
    }

    bool ready() const { return tied != nullptr; }

    Index rows, stride;
    double* values = nullptr;
    // Columns by ascending label, then those without one; twice the average rank of the former.
    std::uint32_t *order = nullptr, *twice = nullptr;
    std::int32_t* centred = nullptr;  // by column
    std::int64_t* count = nullptr;
    std::int32_t* tied = nullptr;  // 0: the ranks are 0, 1, 2, ...

private:
    void note(Index t, const SortedDay& day) {
        count[t] = day.count;
        tied[t] = day.tied;
        std::uint32_t* columns = order + t * stride;
        columns = std::copy(day.order, day.order + day.count, columns);
        if (day.tied) std::copy(day.twice, day.twice + day.count, twice + t * stride);
        std::fill(centred + t * stride, centred + (t + 1) * stride, 0);
        centre(day, kAsTheyStand, centred + t * stride);
        const double* row = values + t * stride;
        for (Index n = 0; n < stride; ++n)
            if (row[n] != row[n]) *columns++ = static_cast<std::uint32_t>(n);
    }

    Pages pages_;
};

}  // namespace alphamine
