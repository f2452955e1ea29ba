// Statistics of each group of each day's universe.
//
// The members of a group are laid side by side and treated as a small day, so that a group operator
// is the cross-sectional one on fewer symbols.
#pragma once

#include <algorithm>
#include <cstring>

#include "cross_section.hpp"

namespace alphamine {

// Columns of a day by group; kept as long as the codes stay the same from day to day.
class GroupMap {
public:
    GroupMap(Index stride, Arena& arena)
        : stride_(stride),
          codes_(arena.take<std::int32_t>(stride)),
          group_(arena.take<std::int32_t>(stride)),
          columns_(arena.take<std::uint32_t>(stride)),
          starts_(arena.take<std::uint32_t>(stride + 1)),
          keys_(arena.take<std::uint64_t>(stride)) {
        std::fill(codes_, codes_ + stride, -1);
        std::fill(group_, group_ + stride, -1);
        starts_[0] = 0;
    }

    void read(const std::int32_t* codes) {
        const std::size_t bytes = stride_ * sizeof *codes;
        if (std::memcmp(codes, codes_, bytes) == 0) return;
        std::memcpy(codes_, codes, bytes);
        std::int32_t largest = -1;
        for (Index n = 0; n < stride_; ++n) largest = std::max(largest, codes[n]);
        std::fill(group_, group_ + stride_, -1);
        if (largest < stride_)
            count_by_code(largest + 1);
        else
            sort_by_code();
        for (Index g = 0; g < count_; ++g)
            for (Index i = starts_[g]; i < starts_[g + 1]; ++i)
                group_[columns_[i]] = static_cast<std::int32_t>(g);
    }

    Index count() const { return count_; }
    Index size(Index g) const { return starts_[g + 1] - starts_[g]; }
    Index start(Index g) const { return starts_[g]; }
    const std::uint32_t* members(Index g) const { return columns_ + starts_[g]; }
    std::int32_t group(Index column) const { return group_[column]; }

private:
    // Codes that are small numbers, as a panel's are, are counted.
    void count_by_code(Index codes) {
        std::uint32_t* place = reinterpret_cast<std::uint32_t*>(keys_);
        std::fill(place, place + codes, 0u);
        for (Index n = 0; n < stride_; ++n)
            if (codes_[n] >= 0) ++place[codes_[n]];
        std::uint32_t members = 0;
        count_ = 0;
        for (Index code = 0; code < codes; ++code) {
            if (place[code] > 0) starts_[count_++] = members;
            members += std::exchange(place[code], members);
        }
        starts_[count_] = members;
        for (Index n = 0; n < stride_; ++n)
            if (codes_[n] >= 0) columns_[place[codes_[n]]++] = static_cast<std::uint32_t>(n);
    }

    void sort_by_code() {
        Index members = 0;
        for (Index n = 0; n < stride_; ++n)
            if (codes_[n] >= 0) keys_[members++] = static_cast<std::uint64_t>(codes_[n]) << 32 | n;
        std::sort(keys_, keys_ + members);
        count_ = 0;
        for (Index i = 0; i < members; ++i) {
            if (i == 0 || keys_[i] >> 32 != keys_[i - 1] >> 32) starts_[count_++] = i;
            columns_[i] = static_cast<std::uint32_t>(keys_[i]);
        }
        starts_[count_] = static_cast<std::uint32_t>(members);
    }

    Index stride_, count_ = 0;
    std::int32_t *codes_, *group_;
    std::uint32_t *columns_, *starts_;
    std::uint64_t* keys_;
};

// Runs visit(t, map) over the days of a call whose `codes`-th input is the group.
template <class T, class Visit>
inline void for_grouped_days(const Call<T>& s, int codes, Visit visit) {
    GroupMap map(s.shape.stride, *s.arena);
    const auto* group = static_cast<const std::int32_t*>(s.in[codes]);
    for (Index t = 0; t < s.shape.rows; ++t) {
        map.read(group + t * s.stride[codes]);
        visit(t, map);
    }
}

// Lays the values of a group side by side, padded with NaN; returns the padded length.
inline Index gather(const double* cells, const std::uint32_t* members, Index size, double* values) {
    const Index padded = (size + kLaneBlock - 1) / kLaneBlock * kLaneBlock;
    for (Index i = 0; i < size; ++i) values[i] = cells[members[i]];
    std::fill(values + size, values + padded, kNaN<double>);
    return padded;
}

// Runs body(values of a group, out) over all groups; out is scattered to the members.
template <class T, class Body>
inline void for_groups(const Call<T>& s, Body body) {
    const Index stride = s.shape.stride;
    double* cells = s.arena->template take<double>(stride);
    double* values = s.arena->template take<double>(stride + kLaneBlock);
    T* result = s.arena->template take<T>(stride + kLaneBlock);
    for_grouped_days(s, 1, [&](Index t, const GroupMap& map) {
        see(s.input(0) + t * s.stride[0], s.inside + t * stride, stride, cells);
        T* row = s.out + t * stride;
        clear_row(row, stride);
        for (Index g = 0; g < map.count(); ++g) {
            const std::uint32_t* members = map.members(g);
            const Index padded = gather(cells, members, map.size(g), values);
            body(measure_day<T>(values, padded), result);
            for (Index i = 0; i < map.size(g); ++i) row[members[i]] = result[i];
        }
    });
}

// The same value for all members that have one.
template <class T>
inline void write_everywhere(T* out, const DayValues<T>& group, double value) {
    const Vec<double> all = splat(value), none = splat(kNaN<double>);
    write_day(out, group, [&](Vec<double> x) { return select(x == x, all, none); });
}

template <class T>
void group_neutralize(const Call<T>& s) {
    for_groups(s, [](const DayValues<T>& group, T* out) {
        const DayMoments<T> m(group);
        write_day(out, group, [&](Vec<double> x) { return m.restore(m.deviation(x)); });
    });
}

template <class T>
void group_zscore(const Call<T>& s) {
    for_groups(s, [](const DayValues<T>& group, T* out) { write_zscores(group, out); });
}

template <class T>
void group_scale(const Call<T>& s) {
    for_groups(s, [](const DayValues<T>& group, T* out) { write_places(group, 0.0, out); });
}

template <class T>
void group_std_dev(const Call<T>& s) {
    for_groups(s, [](const DayValues<T>& group, T* out) {
        const DayMoments<T> m(group);
        write_everywhere(out, group, m.restore(splat(m.std()))[0]);
    });
}

template <class T>
void group_count(const Call<T>& s) {
    for_groups(s, [](const DayValues<T>& group, T* out) {
        write_everywhere(out, group, group.count);
    });
}

template <class T>
void group_sum(const Call<T>& s) {
    for_groups(s, [](const DayValues<T>& group, T* out) {
        const PowerOfTwo unit(group.peak());
        const double total = group.total([&](Vec<double> x) { return x * unit.down; });
        write_everywhere(out, group, total * unit.up);
    });
}

template <class T>
void group_median(const Call<T>& s) {
    double* sorted = s.arena->template take<double>(s.shape.stride + kLaneBlock);
    for_groups(s, [&](const DayValues<T>& group, T* out) {
        double* end = std::copy_if(group.cells, group.cells + group.stride, sorted,
                                   [](double x) { return x == x; });
        if (end == sorted) return write_everywhere(out, group, kNaN<double>);
        double* upper = sorted + (end - sorted) / 2;
        std::nth_element(sorted, upper, end);
        double median = *upper;
        if ((end - sorted) % 2 == 0) {
            const double low = *std::max_element(sorted, upper);
            if (low != median) median = low * 0.5 + median * 0.5;
        }
        write_everywhere(out, group, median);
    });
}

// Mean of the first input weighted by the second, over members that have both.
template <class T>
void group_mean(const Call<T>& s) {
    const Index stride = s.shape.stride;
    double* x = s.arena->template take<double>(stride);
    double* w = s.arena->template take<double>(stride);
    double* values = s.arena->template take<double>(stride + kLaneBlock);
    double* weights = s.arena->template take<double>(stride + kLaneBlock);
    for_grouped_days(s, 2, [&](Index t, const GroupMap& map) {
        see_pair(s, t, x, w);
        T* row = s.out + t * stride;
        clear_row(row, stride);
        for (Index g = 0; g < map.count(); ++g) {
            const std::uint32_t* members = map.members(g);
            const Index padded = gather(x, members, map.size(g), values);
            gather(w, members, map.size(g), weights);
            const DayMoments<T> m(measure_day<T>(values, padded));
            const DayValues<T> mass = measure_day<T>(weights, padded);
            const double down = PowerOfTwo(mass.peak()).down;
            const auto scaled = [&](Vec<double> v) { return v * down; };
            const double total = mass.total(scaled);
            const double moved = product_total(
                mass, m.day, scaled, [&](Vec<double> v) { return m.moved(v); });
            const double mean =
                total == 0.0 ? kNaN<double> : m.value_at(splat(moved / total - m.offset))[0];
            for (Index i = 0; i < map.size(g); ++i)
                if (values[i] == values[i]) row[members[i]] = static_cast<T>(mean);
        }
    });
}

// Rank within the group from the order of the whole day: a member's place is how many of its group
// came before it.
template <class T>
void group_rank(const Call<T>& s) {
    const Index stride = s.shape.stride;
    GroupMap map(stride, *s.arena);
    const auto take = [&] { return s.arena->template take<std::uint32_t>(stride); };
    std::uint32_t *filled = take(), *columns = take();
    std::uint32_t *run = take(), *end = take(), *twice = take();
    std::uint64_t* keys = s.arena->template take<std::uint64_t>(stride);
    const auto* codes = static_cast<const std::int32_t*>(s.in[1]);
    for_sorted_days(
        s.input(0), s.stride[0], s.inside, stride, s.shape, *s.arena,
        [&](Index t, const SortedDay& day) {
            T* row = s.out + t * stride;
            clear_row(row, stride);
            map.read(codes + t * s.stride[1]);
            std::fill(filled, filled + map.count(), 0);
            for (Index i = 0; i < day.count; ++i) {
                const std::int32_t g = map.group(day.order[i]);
                if (g < 0) continue;
                const Index at = map.start(g) + filled[g]++;
                columns[at] = day.order[i];
                keys[at] = day.tied ? day.twice[i] : i;
            }
            for (Index g = 0; g < map.count(); ++g) {
                const Index start = map.start(g), size = filled[g];
                if (size < 2) continue;
                average_runs(keys + start, size, run, end, twice);
                const T last = T(2 * (size - 1));
                for (Index i = 0; i < size; ++i)
                    row[columns[start + i]] = T(std::int32_t(twice[i])) / last;
            }
        });
}

}  // namespace alphamine
