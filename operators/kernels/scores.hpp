// Daily scores of a formula's values against a label that was ranked once.
//
// Ranks are used as whole numbers (twice the average rank minus its mean), whose sums of products
// are exact in double: a rank correlation has the same bits in whatever order the symbols stand.
#pragma once

#include "rank.hpp"
#include "workspace.hpp"

namespace alphamine {

// As many whole numbers as a register has doubles.
typedef std::int32_t HalfInt __attribute__((vector_size(AM_VECTOR_BYTES / 2), may_alias));

inline Vec<double> load_wide(const std::int32_t* p) {
    return __builtin_convertvector(*reinterpret_cast<const HalfInt*>(p), Vec<double>);
}

inline double sum_of(Vec<double> v) {
    double sum = 0.0;
    for (int l = 0; l < kLanes<double>; ++l) sum += v[l];
    return sum;
}

// Sum of a product of whole numbers, exact below 2^53.
inline double dot(const std::int32_t* a, const std::int32_t* b, Index stride) {
    Vec<double> total{};
    for (Index n = 0; n < stride; n += kLanes<double>) total += load_wide(a + n) * load_wide(b + n);
    return sum_of(total);
}

// Twice the average rank minus its mean, by column; 0 for columns that have no rank.
inline void centre(const SortedDay& day, std::int32_t* centred, Index stride) {
    std::fill(centred, centred + stride, 0);
    const std::int32_t mean = static_cast<std::int32_t>(day.count) - 1;
    if (day.tied) {
        for (Index i = 0; i < day.count; ++i)
            centred[day.order[i]] = static_cast<std::int32_t>(day.twice[i]) - mean;
    } else {
        for (std::int32_t i = 0; i < day.count; ++i) centred[day.order[i]] = 2 * i - mean;
    }
}

// The label of the scored days in every form that scores need; made once for a sample.
class LabelDays {
public:
    // `values`: (rows, columns) without padding, NaN where there is no label.
    LabelDays(const double* values, Index rows, Index columns)
        : rows(rows), stride((columns + kLaneBlock - 1) / kLaneBlock * kLaneBlock) {
        const std::size_t cells = rows * stride;
        const std::size_t scratch = 256 * (stride + kLaneBlock) + 4096;
        if (!pages_.ensure(cells * 24 + rows * 40 + scratch + 4096)) return;
        Arena arena(pages_.data(), pages_.bytes());
        this->values = arena.take<double>(cells);
        order = arena.take<std::uint32_t>(cells);
        twice = arena.take<std::uint32_t>(cells);
        centred = arena.take<std::int32_t>(cells);
        count = arena.take<std::int64_t>(rows);
        tied = arena.take<std::int32_t>(rows);
        total = arena.take<double>(rows);
        squares = arena.take<double>(rows);
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

    bool ready() const { return squares != nullptr; }

    Index rows, stride;
    double* values = nullptr;
    std::uint32_t *order = nullptr, *twice = nullptr;
    std::int32_t* centred = nullptr;
    std::int64_t* count = nullptr;
    std::int32_t* tied = nullptr;
    double *total = nullptr, *squares = nullptr;  // sums of the labels and of their squares

    SortedDay day(Index t) const {
        return {count[t], order + t * stride, twice + t * stride, tied[t] != 0};
    }

private:
    void note(Index t, const SortedDay& day) {
        count[t] = day.count;
        tied[t] = day.tied;
        std::copy(day.order, day.order + day.count, order + t * stride);
        if (day.tied) std::copy(day.twice, day.twice + day.count, twice + t * stride);
        centre(day, centred + t * stride, stride);
        Vec<double> sum{}, sum_squares{};
        for (Index n = 0; n < stride; n += kLanes<double>) {
            const Vec<double> y = load(values + t * stride + n);
            sum += only(y == y, y);
            sum_squares += only(y == y, y * y);
        }
        total[t] = sum_of(sum);
        squares[t] = sum_of(sum_squares);
    }

    Pages pages_;
};

// What is asked for; null pointers are left out. One entry for each scored day.
struct ScoreArrays {
    double* ic;
    double* rank_ic;
    double* turnover;
    std::int64_t* pairs;    // names with a value and a label
    std::int64_t* present;  // names of the universe with a value
};

// Pearson's correlation as the numpy reference has it: two passes, each side scaled by its largest
// deviation; NaN where a side is constant.
template <class T>
inline double correlation_by_two_passes(const T* x, const double* y, Index stride, double pairs) {
    double low[2] = {kInf<double>, kInf<double>}, high[2] = {-kInf<double>, -kInf<double>};
    double mean[2] = {0.0, 0.0};
    const auto each = [&](auto body) {
        for (Index n = 0; n < stride; ++n)
            if (x[n] == x[n] && y[n] == y[n]) body(static_cast<double>(x[n]), y[n]);
    };
    each([&](double a, double b) {
        low[0] = std::min(low[0], a), high[0] = std::max(high[0], a), mean[0] += a;
        low[1] = std::min(low[1], b), high[1] = std::max(high[1], b), mean[1] += b;
    });
    if (!(high[0] > low[0] && high[1] > low[1])) return kNaN<double>;
    double peak[2];
    for (int side = 0; side < 2; ++side) {
        mean[side] /= pairs;
        peak[side] = std::max(high[side] - mean[side], mean[side] - low[side]);
    }
    double xx = 0.0, yy = 0.0, xy = 0.0;
    each([&](double a, double b) {
        const double da = (a - mean[0]) / peak[0], db = (b - mean[1]) / peak[1];
        xx += da * da, yy += db * db, xy += da * db;
    });
    return std::min(1.0, std::max(-1.0, xy / std::sqrt(xx * yy)));
}

// Share of n * sum(x^2) below which its difference from sum(x)^2 is too inaccurate.
constexpr double kLostDigits = 1e-5;

// Pearson's correlation in one pass over float values, whose squares are exact in double.
inline double correlation(const float* x, const LabelDays& label, Index t, std::int64_t* pairs) {
    const double* y = label.values + t * label.stride;
    Vec<double> sx{}, sxx{}, sxy{};
    Mask<double> negative{};
    for (Index n = 0; n < label.stride; n += kLanes<double>) {
        const Vec<double> a = load_wide(x + n), product = a * load(y + n);
        const Mask<double> both = product == product;
        const Vec<double> value = only(both, a);
        negative += both;
        sx += value;
        sxx += value * value;
        sxy += only(both, product);
    }
    Index count = 0;
    for (int l = 0; l < kLanes<double>; ++l) count -= negative[l];
    *pairs = count;
    double b = label.total[t], bb = label.squares[t];
    if (count != label.count[t]) {
        Vec<double> sy{}, syy{};
        for (Index n = 0; n < label.stride; n += kLanes<double>) {
            const Vec<double> a = load_wide(x + n), v = load(y + n);
            const Vec<double> value = only((a == a) & (v == v), v);
            sy += value;
            syy += value * value;
        }
        b = sum_of(sy);
        bb = sum_of(syy);
    }
    const double m = static_cast<double>(count), a = sum_of(sx), aa = sum_of(sxx);
    const double left = m * aa - a * a, right = m * bb - b * b;
    if (left > kLostDigits * m * aa && right > kLostDigits * m * bb) {
        const double corr = (m * sum_of(sxy) - a * b) / (std::sqrt(left) * std::sqrt(right));
        return std::min(1.0, std::max(-1.0, corr));
    }
    return correlation_by_two_passes(x, y, label.stride, m);
}

inline double correlation(const double* x, const LabelDays& label, Index t, std::int64_t* pairs) {
    const double* y = label.values + t * label.stride;
    Index count = 0;
    for (Index n = 0; n < label.stride; ++n) count += (x[n] == x[n]) & (y[n] == y[n]);
    *pairs = count;
    return correlation_by_two_passes(x, y, label.stride, static_cast<double>(count));
}

constexpr Index kFewDropped = 24;

// Scores days one after the other; holds what one day leaves for the next.
template <class T>
class DayScorer {
public:
    DayScorer(const LabelDays& label, Index min_names, Arena& arena)
        : label_(label),
          min_names_(min_names),
          ranks_(arena.take<std::int32_t>(label.stride)),
          value_ranks_(arena.take<std::int32_t>(label.stride)),
          label_ranks_(arena.take<std::int32_t>(label.stride)),
          both_(arena.take<std::int32_t>(label.stride)),
          weights_(arena.take<double>(label.stride)),
          order_(arena.take<std::uint32_t>(label.stride)),
          group_(arena.take<std::uint32_t>(label.stride)),
          twice_(arena.take<std::uint32_t>(label.stride)),
          run_(arena.take<std::uint32_t>(label.stride)),
          end_(arena.take<std::uint32_t>(label.stride)) {
        std::fill(weights_, weights_ + label.stride, 0.0);
    }

    // Day t from the cells of the universe `x` and their order; turnover needs the days in order.
    void rank_scores(Index t, const T* x, const SortedDay& day, std::int64_t pairs, bool first,
                     const ScoreArrays& out) {
        if (out.turnover || day.count - pairs <= kFewDropped) centre(day, ranks_, label_.stride);
        if (out.rank_ic)
            out.rank_ic[t] = pairs < min_names_ ? kNaN<double> : rank_ic(t, x, day, pairs);
        if (out.turnover) out.turnover[t] = turnover(first);
    }

private:
    double rank_ic(Index t, const T* x, const SortedDay& day, std::int64_t pairs) {
        const SortedDay labels = label_.day(t);
        const std::int32_t* a = ranks_;
        const std::int32_t* b = label_.centred + t * label_.stride;
        const double* y = label_.values + t * label_.stride;
        if (pairs != day.count || pairs != labels.count) mark_pairs(x, y);
        if (pairs != day.count) a = centre_pairs(day, x, y, a, pairs, value_ranks_);
        if (pairs != labels.count) b = centre_pairs(labels, y, x, b, pairs, label_ranks_);
        const double square = squares(a, pairs, day.tied) * squares(b, pairs, labels.tied);
        if (!(square > 0.0)) return kNaN<double>;
        const double corr = dot(a, b, label_.stride) / std::sqrt(square);
        return std::min(1.0, std::max(-1.0, corr));
    }

    double squares(const std::int32_t* centred, std::int64_t count, bool tied) const {
        const double n = static_cast<double>(count);
        return tied ? dot(centred, centred, label_.stride) : n * (n * n - 1.0) / 3.0;
    }

    // both_: -2 for columns that have a value and a label, 0 for others.
    void mark_pairs(const T* x, const double* y) {
        for (Index n = 0; n < label_.stride; n += kLanes<double>) {
            const Vec<double> a = load_wide(x + n), b = load(y + n);
            const HalfInt both = __builtin_convertvector((a == a) & (b == b), HalfInt);
            *reinterpret_cast<HalfInt*>(both_ + n) = both + both;
        }
    }

    // Centred ranks of a day among the columns of `both_`, without sorting again. `own` and `other`
    // are the sides whose columns the day has and lacks; `centred` the ranks among all of its own.
    template <class Own, class Other>
    const std::int32_t* centre_pairs(const SortedDay& day, const Own* own, const Other* other,
                                     const std::int32_t* centred, std::int64_t pairs,
                                     std::int32_t* out) {
        if (day.count - pairs <= kFewDropped)
            drop_few(own, other, centred, out);
        else if (day.tied)
            centre(tied_pairs(day), out, label_.stride);
        else
            recount(day, pairs, out);
        return out;
    }

    // Every dropped column takes 2 from the ranks above it and 1 from those that tie with it.
    template <class Own, class Other>
    void drop_few(const Own* own, const Other* other, const std::int32_t* centred,
                  std::int32_t* out) {
        std::int32_t dropped[kFewDropped];
        std::int32_t drops = 0;
        for (Index n = 0; n < label_.stride; n += kLanes<double>) {
            const Vec<double> a = load_wide(own + n), b = load_wide(other + n);
            const Mask<double> lost = (a == a) & (b != b);
            if (!any(lost)) continue;
            for (int l = 0; l < kLanes<double>; ++l)
                if (lost[l]) dropped[drops++] = centred[n + l];
        }
        for (Index n = 0; n < label_.stride; n += kLanes<float>) {
            const Mask<float> rank = load_whole(centred + n);
            Mask<float> moved = rank + drops;
            for (Index d = 0; d < drops; ++d) moved += (rank > dropped[d]) + (rank >= dropped[d]);
            *reinterpret_cast<Mask<float>*>(out + n) = moved & (load_whole(both_ + n) >> 1);
        }
    }

    static Mask<float> load_whole(const std::int32_t* p) {
        return *reinterpret_cast<const Mask<float>*>(p);
    }

    void recount(const SortedDay& day, std::int64_t pairs, std::int32_t* out) {
        std::fill(out, out + label_.stride, 0);
        std::int32_t rank = 1 - static_cast<std::int32_t>(pairs);
#pragma GCC unroll 4
        for (Index i = 0; i < day.count; ++i) {
            const std::uint32_t n = day.order[i];
            const std::int32_t both = both_[n];
            out[n] = rank & (both >> 1);
            rank -= both;
        }
    }

    SortedDay tied_pairs(const SortedDay& day) {
        Index count = 0;
        for (Index i = 0; i < day.count; ++i) {
            order_[count] = day.order[i];
            group_[count] = day.twice[i];
            count -= both_[day.order[i]] >> 1;
        }
        if (count > 0) average_runs(group_, count, run_, end_, twice_);
        return {count, order_, twice_, true};
    }

    double turnover(bool first) {
        Vec<double> gross{}, traded{};
        for (Index n = 0; n < label_.stride; n += kLanes<double>)
            gross += magnitude<double>(load_wide(ranks_ + n));
        const double book = sum_of(gross), each = book > 0.0 ? 1.0 / book : kNaN<double>;
        for (Index n = 0; n < label_.stride; n += kLanes<double>) {
            const Vec<double> weight = load_wide(ranks_ + n) * each;
            traded += magnitude<double>(weight - load(weights_ + n));
            store(weights_ + n, weight);
        }
        return first ? kNaN<double> : sum_of(traded);
    }

    const LabelDays& label_;
    Index min_names_;
    std::int32_t *ranks_, *value_ranks_, *label_ranks_, *both_;
    double* weights_;  // of the day before
    std::uint32_t *order_, *group_, *twice_, *run_, *end_;
};

// Scores of the label's days; `x` and `inside` point at the first of them.
template <class T>
void score(const T* x, Index x_stride, const T* inside, Index inside_stride, const LabelDays& label,
           Index columns, Index min_names, const ScoreArrays& out, Arena& arena) {
    const bool ranked = out.rank_ic != nullptr || out.turnover != nullptr;
    T* seen_rows = arena.take<T>(kKeyLanes * label.stride);
    T* everyone = arena.take<T>(label.stride);
    std::fill(everyone, everyone + label.stride, T(0));
    DayScorer<T> scorer(label, min_names, arena);
    DaySorter<T> sorter(columns, arena);
    for (Index start = 0; start < label.rows; start += kKeyLanes) {
        const Index days = std::min<Index>(kKeyLanes, label.rows - start);
        std::int64_t pairs[kKeyLanes];
        for (Index l = 0; l < days; ++l) {
            const Index t = start + l;
            T* row = seen_rows + l * label.stride;
            Mask<T> negative{};
            for (Index n = 0; n < label.stride; n += kLanes<T>) {
                const Vec<T> v = load(x + t * x_stride + n) + load(inside + t * inside_stride + n);
                negative += v == v;
                store(row + n, v);
            }
            std::int64_t present = 0;
            for (int k = 0; k < kLanes<T>; ++k) present -= negative[k];
            const double ic = correlation(row, label, t, &pairs[l]);
            if (out.ic) out.ic[t] = pairs[l] < min_names ? kNaN<double> : ic;
            if (out.pairs) out.pairs[t] = pairs[l];
            if (out.present) out.present[t] = present;
        }
        if (!ranked) continue;
        sorter.sort(seen_rows, label.stride, everyone, 0, days);
        for (Index l = 0; l < days; ++l)
            scorer.rank_scores(start + l, seen_rows + l * label.stride, sorter.day(l), pairs[l],
                               start + l == 0, out);
    }
}

}  // namespace alphamine
