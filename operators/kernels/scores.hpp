// Daily scores of a formula's values against a label that was ranked once.
//
// The values of a day are laid out in the order of the label, those that are missing left out, and
// sorted: what then stands where in the order of the values are the label's ranks among the pairs
// themselves. Ranks are whole numbers (twice the average rank), whose sums of products are exact in
// double: a rank correlation has the same bits in whatever order the symbols stand.
//
// Where what regressions leave of the ranks is wanted, the values of a day that has all or most of them
// are laid out in the order of the projection's cells: the ranks are stored as they come, and the
// rank correlation is a product of ranks by cell. Those of the labels are then counted down by those
// that have no value.
//
// Turnover needs the ranks by column. Where every name with a value has a label and the reverse, the
// values are sorted as they stand, and the rank correlation is a product of ranks by column.
#pragma once

#include "pearson.hpp"
#include "products.hpp"
#include "residual.hpp"

namespace alphamine {

// What is asked for; null pointers are left out. One entry for each scored day.
struct ScoreArrays {
    double* ic;
    double* rank_ic;
    double* turnover;
    std::int64_t* pairs;    // names with a value and a label
    std::int64_t* present;  // names of the universe with a value
    std::int16_t* ranks;    // among the pairs, in the cells of `projection`
    const AmProjection* projection;
};

// From so many missing values on, the ranks of the labels are sorted out rather than counted down.
constexpr Index kFewGaps = 32;

// Scores a group of days after the other; holds what one day leaves for the next.
template <class T>
class DayScorer {
public:
    DayScorer(const LabelDays& label, Index columns, Index min_names, const ScoreArrays& out,
              Arena& arena)
        : label_(label),
          symbols_(columns),
          min_names_(min_names),
          out_(out),
          everyone_(arena.take<T>(label.stride)),
          seen_(arena.take<T>(kKeyLanes * label.stride)),
          laid_out_(arena.take<T>((kKeyLanes + 1) * label.stride)),
          names_(arena.take<std::uint32_t>((kKeyLanes + 1) * label.stride)),
          order_(arena.take<std::uint32_t>(label.stride)),
          group_(arena.take<std::uint32_t>(label.stride)),
          twice_(arena.take<std::uint32_t>(label.stride)),
          label_twice_(arena.take<std::uint32_t>(label.stride)),
          run_(arena.take<std::uint32_t>(label.stride)),
          end_(arena.take<std::uint32_t>(label.stride)),
          ranks_(arena.take<std::int32_t>(label.stride)),
          pair_ranks_(arena.take<std::int32_t>(label.stride)),
          gaps_(arena.take<std::uint32_t>(label.stride + kKeyLanes)),
          cell_ranks_(arena.take<std::int16_t>(label.stride)),
          cell_labels_(arena.take<std::int16_t>(label.stride + kShorts)),
          weights_(arena.take<double>(label.stride)),
          sorter_(columns, arena) {
        std::fill(everyone_, everyone_ + label.stride, T(0));
        std::fill(weights_, weights_ + label.stride, 0.0);
    }

    // At most kKeyLanes days from `start` on; turnover needs the groups in order.
    void score(Index start, Index days, const T* x, Index x_stride, const T* inside,
               Index inside_stride) {
        const bool ranked = out_.rank_ic != nullptr || out_.turnover != nullptr;
        DayCells<T> cells[kKeyLanes];
        std::int64_t pairs[kKeyLanes], present[kKeyLanes];
        bool by_label = false;
        for (Index l = 0; l < days; ++l) {
            const Index t = start + l;
            present[l] = see(x + l * x_stride, inside + l * inside_stride, seen(l));
            const double ic = correlation(seen(l), label_, t, &pairs[l]);
            if (out_.ic) out_.ic[t] = pairs[l] < min_names_ ? kNaN<double> : ic;
            if (out_.pairs) out_.pairs[t] = pairs[l];
            if (out_.present) out_.present[t] = present[l];
            if (!ranked) continue;
            by_cell_[l] = false;
            const bool only_pairs = out_.turnover == nullptr || present[l] == pairs[l];
            if (out_.ranks && only_pairs && cells_of(t) > 0 && cells_of(t) - pairs[l] <= kFewGaps) {
                by_cell_[l] = true;
                cells[l] = {laid_out(l), everyone_, lay_out_cells(t, l)};
            } else if (out_.turnover && pairs[l] == present[l] && pairs[l] == label_.count[t]) {
                columns_[l] = nullptr;
                cells[l] = {seen(l), everyone_, label_.stride};
            } else {
                by_label = true;
                cells[l] = {laid_out(l), everyone_, lay_out(t, l, pairs[l], present[l])};
            }
        }
        if (!ranked) return;
        sorter_.sort(cells, days);
        double products[kKeyLanes];
        if (by_label) sorter_.column_products(products);
        for (Index l = 0; l < days; ++l) {
            const Index t = start + l;
            const bool scored = out_.rank_ic != nullptr && pairs[l] >= min_names_;
            const bool by_column = columns_[l] == nullptr;
            const bool only_pairs = out_.turnover == nullptr || present[l] == pairs[l];
            const bool untied =
                !by_cell_[l] && !by_column && only_pairs && !label_.tied[t] && !std::isnan(products[l]);
            if (out_.rank_ic) out_.rank_ic[t] = kNaN<double>;
            if (scored && untied) out_.rank_ic[t] = untied_rank_ic(pairs[l], products[l]);
            const bool ranked_only = out_.turnover == nullptr && out_.ranks == nullptr;
            if (out_.ranks && !scored) leave_out(t);
            if (!scored && out_.turnover == nullptr) continue;
            if (ranked_only && untied) continue;
            const SortedDay day = sorter_.day(static_cast<int>(l));
            if (out_.turnover) centre_columns(l, day);
            if (scored && by_column)
                out_.rank_ic[t] = column_rank_ic(t, day);
            else if (scored && !by_cell_[l] && !untied)
                out_.rank_ic[t] = rank_ic(t, l, day, pairs[l]);
            if (out_.ranks && scored) keep_ranks(t, l, day, pairs[l]);
            if (scored && by_cell_[l]) out_.rank_ic[t] = cell_rank_ic(t, day);
            if (out_.turnover) out_.turnover[t] = turnover(t, day);
        }
    }

private:
    T* seen(Index l) { return seen_ + l * label_.stride; }
    T* laid_out(Index l) { return laid_out_ + l * label_.stride; }
    std::uint32_t* names(Index l) { return names_ + l * label_.stride; }

    // A day's cells as the universe lets them be seen; gives how many are present.
    std::int64_t see(const T* x, const T* inside, T* to) const {
        Mask<T> negative{};
        for (Index n = 0; n < label_.stride; n += kLanes<T>) {
            const Vec<T> v = load(x + n) + load(inside + n);
            negative += v == v;
            store(to + n, v);
        }
        std::int64_t present = 0;
        for (int k = 0; k < kLanes<T>; ++k) present -= negative[k];
        return present;
    }

    // Puts the present values of a day in the order of the label, then, if turnover wants them, those
    // without a label, and notes whose they are; gives their number, padded.
    Index lay_out(Index t, Index l, std::int64_t pairs, std::int64_t present) {
        const std::uint32_t* order = label_.order + t * label_.stride;
        const T* from = seen(l);
        T* to = laid_out(l);
        const bool all = out_.turnover != nullptr && present > pairs;
        const Index cells = all ? label_.stride : label_.count[t];
        Index used = cells;
#pragma GCC unroll 8
        for (Index j = 0; j < cells; ++j) to[j] = from[order[j]];
        columns_[l] = order;
        if (all || pairs < cells) {
            std::fill(to + cells, to + padded(cells), kNaN<T>);
            used = close_up(to, padded(cells), order, names(l));
            columns_[l] = names(l);
        }
        const Index length = padded(used);
        std::fill(to + used, to + length, kNaN<T>);
        return length;
    }

    // Puts the values of a day in the order of the projection's cells; gives their number, padded.
    Index lay_out_cells(Index t, Index l) {
        const Index count = cells_of(t);
        const std::uint32_t* columns = out_.projection->columns + out_.projection->start[t];
        const T* from = seen(l);
        T* to = laid_out(l);
#pragma GCC unroll 8
        for (Index j = 0; j < count; ++j) to[j] = from[columns[j]];
        columns_[l] = columns;
        const Index length = padded(count);
        std::fill(to + count, to + length, kNaN<T>);
        return length;
    }

    std::int64_t cells_of(Index t) const {
        return out_.projection->start[t + 1] - out_.projection->start[t];
    }

    // Moves present values and their columns up over missing ones; gives their number.
    static Index close_up(float* values, Index cells, const std::uint32_t* order,
                          std::uint32_t* names) {
        auto* keys = reinterpret_cast<std::uint32_t*>(values);
        Index used = 0;
        for (Index j = 0; j < cells; j += kKeyLanes) {
            const FloatVec v = load(values + j);
            store_chosen(names + used, load_keys(order + j), v == v);
            used += store_chosen(keys + used, reinterpret_cast<Keys>(v), v == v);
        }
        return used;
    }

    static Index close_up(double* values, Index cells, const std::uint32_t* order,
                          std::uint32_t* names) {
        Index used = 0;
        for (Index j = 0; j < cells; ++j) {
            const double value = values[j];
            values[used] = value;
            names[used] = order[j];
            used += value == value;
        }
        return used;
    }

    // Spearman's correlation of untied ranks from the sum of the products of ranks, from 0.
    static double untied_rank_ic(std::int64_t pairs, double products) {
        const double m = static_cast<double>(pairs), square = m * (m * m - 1.0) / 3.0;
        if (!(square > 0.0)) return kNaN<double>;
        const double shared = 4.0 * products - m * (m - 1.0) * (m - 1.0);
        return std::min(1.0, std::max(-1.0, shared / square));
    }

    double rank_ic(Index t, Index l, const SortedDay& day, std::int64_t pairs) {
        const double m = static_cast<double>(pairs), untied = m * (m * m - 1.0) / 3.0;
        // Twice the ranks of m values add up to m * (m - 1).
        const auto centred = [m](double products) { return products - m * (m - 1.0) * (m - 1.0); };
        const SortedDay x = day.count == pairs ? day : labelled(day, pairs);
        const std::uint32_t* y = x.order;  // half of twice the ranks
        double xx = untied, yy = untied, xy = 2.0;
        if (label_.tied[t]) {
            const std::uint32_t* twice = tied_label(t, l, pairs);
            yy = centred(sum_products(pairs, twice, twice));
            xy = 1.0;
            for (Index i = 0; i < pairs; ++i) order_[i] = twice[x.order[i]];
            y = order_;
        }
        if (x.tied) {
            xx = centred(sum_products(pairs, x.twice, x.twice));
            xy *= sum_products(pairs, x.twice, y);
        } else {
            xy *= 2.0 * sum_products(pairs, [](Index, Vec<double> at) { return at; }, y);
        }
        const double square = xx * yy;
        if (!(square > 0.0)) return kNaN<double>;
        return std::min(1.0, std::max(-1.0, centred(xy) / std::sqrt(square)));
    }

    void centre_columns(Index l, const SortedDay& day) {
        const std::uint32_t* columns = columns_[l];
        std::fill(ranks_, ranks_ + label_.stride, 0);
        if (columns == nullptr)
            centre(day, kAsTheyStand, ranks_);
        else
            centre(day, [columns](std::uint32_t j) { return columns[j]; }, ranks_);
    }

    // The same of a day whose names all have a value and a label, from the ranks by column.
    double column_rank_ic(Index t, const SortedDay& day) const {
        const double m = static_cast<double>(day.count), untied = m * (m * m - 1.0) / 3.0;
        const std::int32_t* labels = label_.centred + t * label_.stride;
        const double xx = day.tied ? dot(ranks_, ranks_, label_.stride) : untied;
        const double yy = label_.tied[t] ? dot(labels, labels, label_.stride) : untied;
        const double square = xx * yy;
        if (!(square > 0.0)) return kNaN<double>;
        const double shared = dot(ranks_, labels, label_.stride);
        return std::min(1.0, std::max(-1.0, shared / std::sqrt(square)));
    }

    // The same from the ranks by cell, which are kept.
    double cell_rank_ic(Index t, const SortedDay& day) {
        const Index begin = out_.projection->start[t], count = cells_of(t);
        const double m = static_cast<double>(day.count), untied = m * (m * m - 1.0) / 3.0;
        const std::int16_t *x = out_.ranks + begin, *y = out_.projection->labels + begin;
        double xx = untied, yy = untied, xy;
        if (day.count < count) {
            const Index missed = list_missing(x, count, gaps_);
            count_down(y, count, missed);
            y = cell_labels_;
            if (day.tied) {
                std::copy(x, x + count, cell_ranks_);
                for (Index i = 0; i < missed; ++i) cell_ranks_[gaps_[i]] = 0;
                x = cell_ranks_;
            }
        }
        if (day.tied) day_products<1>(x, &x, 0, count, &xx, 1);
        if (label_.tied[t]) day_products<1>(y, &y, 0, count, &yy, 1);
        day_products<1>(x, &y, 0, count, &xy, 1);
        const double square = xx * yy;
        if (!(square > 0.0)) return kNaN<double>;
        return std::min(1.0, std::max(-1.0, xy / std::sqrt(square)));
    }

    // Twice the centred ranks of the labels among the cells that are not in gaps_; 0 in those. Where one
    // is taken out, the ranks on either side of it move towards it by one.
    void count_down(const std::int16_t* labels, Index count, Index missed) {
        for (Index i = 0; i < count; i += kShorts) {
            Shorts all{};
            std::memcpy(&all, labels + i, std::min(kShorts, count - i) * sizeof(std::int16_t));
            Shorts left = all;
            for (Index m = 0; m < missed; ++m) {
                const std::int16_t gone = labels[gaps_[m]];
                left += (all > gone) - (all < gone);
            }
            std::memcpy(cell_labels_ + i, &left, sizeof left);
        }
        for (Index m = 0; m < missed; ++m) cell_labels_[gaps_[m]] = 0;
    }

    void leave_out(Index t) {
        const std::int64_t* start = out_.projection->start;
        std::fill(out_.ranks + start[t], out_.ranks + start[t + 1], kNoRank);
    }

    // Twice the centred ranks of the pairs, in the cells of the projection.
    void keep_ranks(Index t, Index l, const SortedDay& day, std::int64_t pairs) {
        const std::int64_t begin = out_.projection->start[t], cells = cells_of(t);
        if (cells == 0) return;
        const SortedDay own = day.count == pairs ? day : labelled(day, pairs);
        const std::int16_t* places = out_.projection->places + t * symbols_;
        const std::uint32_t* columns = columns_[l];
        std::int16_t* out = out_.ranks + begin;
        // Scattered stores of 16 bits take twice as long as those of 32.
        if (pairs < cells) std::fill(pair_ranks_, pair_ranks_ + cells, std::int32_t{kNoRank});
        if (by_cell_[l])
            centre(own, kAsTheyStand, pair_ranks_);
        else if (columns == nullptr)
            centre(own, [places](std::uint32_t j) { return places[j]; }, pair_ranks_);
        else
            centre(own, [places, columns](std::uint32_t j) { return places[columns[j]]; }, pair_ranks_);
        for (std::int64_t i = 0; i < cells; ++i) out[i] = static_cast<std::int16_t>(pair_ranks_[i]);
    }

    // The order of a day's pairs: they stand before the values without a label.
    SortedDay labelled(const SortedDay& day, std::int64_t pairs) {
        Index count = 0;
        for (Index i = 0; i < day.count; ++i) {
            order_[count] = day.order[i];
            if (day.tied) group_[count] = day.twice[i];
            count += day.order[i] < pairs;
        }
        if (day.tied && count > 0) average_runs(group_, count, run_, end_, twice_);
        return {count, order_, twice_, day.tied};
    }

    // Twice the average ranks of the labels among the pairs, in the order of the label.
    const std::uint32_t* tied_label(Index t, Index l, std::int64_t pairs) {
        const std::uint32_t *order = label_.order + t * label_.stride;
        const std::uint32_t *twice = label_.twice + t * label_.stride;
        if (pairs == label_.count[t]) return twice;
        Index count = 0;
        for (Index j = 0; j < label_.count[t]; ++j) {
            const T value = seen(l)[order[j]];
            group_[count] = twice[j];
            count += value == value;
        }
        if (count > 0) average_runs(group_, count, run_, end_, label_twice_);
        return label_twice_;
    }

    double turnover(Index t, const SortedDay& day) {
        double book = static_cast<double>(day.count * day.count / 2);
        if (day.tied) {
            Vec<double> gross{};
            for (Index n = 0; n < label_.stride; n += kLanes<double>)
                gross += magnitude<double>(load_wide(ranks_ + n));
            book = sum_of(gross);
        }
        const double each = book > 0.0 ? 1.0 / book : kNaN<double>;
        Vec<double> traded{};
        for (Index n = 0; n < label_.stride; n += kLanes<double>) {
            const Vec<double> weight = load_wide(ranks_ + n) * each;
            traded += magnitude<double>(weight - load(weights_ + n));
            store(weights_ + n, weight);
        }
        return t == 0 ? kNaN<double> : sum_of(traded);
    }

    const LabelDays& label_;
    Index symbols_, min_names_;
    ScoreArrays out_;
    T *everyone_, *seen_, *laid_out_;
    std::uint32_t *names_, *order_, *group_, *twice_, *label_twice_, *run_, *end_;
    std::int32_t *ranks_, *pair_ranks_;
    std::uint32_t* gaps_;
    std::int16_t *cell_ranks_, *cell_labels_;
    double* weights_;  // of the day before
    DaySorter<T> sorter_;
    const std::uint32_t* columns_[kKeyLanes];  // of the values as laid out; null: as they stand
    bool by_cell_[kKeyLanes] = {};             // whether that is the order of the projection's cells
};

// Scores of the label's days; `x` and `inside` point at the first of them.
template <class T>
void score(const T* x, Index x_stride, const T* inside, Index inside_stride, const LabelDays& label,
           Index columns, Index min_names, const ScoreArrays& out, Arena& arena) {
    DayScorer<T> scorer(label, columns, min_names, out, arena);
    for (Index start = 0; start < label.rows; start += kKeyLanes)
        scorer.score(start, std::min<Index>(kKeyLanes, label.rows - start), x + start * x_stride,
                     x_stride, inside + start * inside_stride, inside_stride);
}

}  // namespace alphamine
