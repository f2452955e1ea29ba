// Least squares over windows, on another series or on the place within the window.
#pragma once

#include "decay.hpp"

namespace alphamine {

// What a least-squares line through a window needs; places run from 1 (oldest) to the window.
struct TimeFit {
    Vec<double> products;  // of deviations, in the unit of the values
    Vec<double> squares;   // of the places' deviations
    Vec<double> age;       // of the mean place
    Vec<double> today;     // deviation of today's value
    Vec<double> spread;    // sum of the values' squared deviations
    Vec<double> up;        // unit of the values
    Mask<double> varies;
};

inline TimeFit direct_fit(const Block& block, Index i, int window, Vec<double> n, Vec<double> x) {
    const Direct direct(block, i, window, n);
    Vec<double> total{}, place{};
    direct.each([&](Vec<double>, Vec<double> here) {
        place += 1.0;
        total += place * here;
    });
    const Vec<double> mean = total / n;
    TimeFit fit{};
    place = Vec<double>{};
    direct.each([&](Vec<double> v, Vec<double> here) {
        place += 1.0;
        const Vec<double> distance = (place - mean) * here;
        fit.squares += distance * distance;
        fit.products += distance * direct.deviation(v, here);
    });
    fit.age = static_cast<double>(window) - mean;
    fit.today = x * direct.down - direct.middle - direct.offset;
    fit.spread = direct.moment(2);
    fit.up = direct.up;
    fit.varies = direct.varies();
    return fit;
}

// emit(fit) for each window. Whole windows of floats come from three sums; windows with gaps, and
// those where a subtraction would cost too many digits, are done directly.
template <class T, class Emit>
inline void on_time(const Call<T>& s, Emit emit) {
    double *sums = take_sums(s), *ramps = take_sums(s), *squares = take_sums(s);
    const int w = s.window, need = std::max(s.min_periods, 2);
    const double half = 0.5 * (w + 1.0), size = w;
    for_blocks_of(s, only_whole(s, need), [&](const Block& block, Index first, Index c) {
        const auto x = [values = block.values](Index i) { return load(values + i); };
        if constexpr (!kDirect<T>) {
            window_ramps(x, sums, ramps, block.rows, w);
            window_sums([=](Index i) { return x(i) * x(i); }, squares, block.rows, w);
        }
        write_judgements<Finish::plain>(
            s, block, first, c, need,
            [&](Index i, const Count& count, Index at, Judged& judged) {
                const Vec<double> sum = load(sums + i), all = size * load(squares + i);
                const Vec<double> spread = all - sum * sum;
                TimeFit fit{};
                fit.products = load(ramps + i) - half * sum;
                fit.squares = splat(size * (size * size - 1.0) / 12.0);
                fit.age = splat(w - half);
                fit.today = (load_wide(s.input(0) + at) * size - sum) / size;
                fit.spread = spread / size;
                fit.up = splat(1.0);
                fit.varies = spread > 0.0;
                judged.over = emit(fit);
                judged.lost = (spread <= all * kCancelled) | (count.n != size);
            },
            [&](Index i, const Count& count, Index at) {
                return emit(direct_fit(block, i, w, count.n, load_wide(s.input(0) + at)));
            });
    });
}

template <class T>
void ts_slope(const Call<T>& s) {
    on_time(s, [](const TimeFit& fit) { return fit.products / fit.squares * fit.up; });
}

template <class T>
void ts_resid(const Call<T>& s) {
    on_time(s, [](const TimeFit& fit) {
        return (fit.today - fit.products / fit.squares * fit.age) * fit.up;
    });
}

template <class T>
void ts_rsquare(const Call<T>& s) {
    on_time(s, [](const TimeFit& fit) {
        const Vec<double> share = fit.products * fit.products / (fit.squares * fit.spread);
        return fit.varies ? lower(share, splat(1.0)) : splat(kNaN<double>);
    });
}

// What `rettype` of ts_regression asks for, in the order of its numbers.
enum class Regression {
    residual, intercept, slope, fitted, errors, total, share, variance, slope_error, intercept_error
};

// Least squares of y on x, both as deviations of direct windows over the shared rows.
class PairFit {
public:
    PairFit(const Direct& y, const Direct& x, const Block& y_block, const Block& x_block, Index i,
            int window, Vec<double> n)
        : y_(y), x_(x), y_block_(y_block), x_block_(x_block), end_(i), window_(window), n_(n) {
        total_ = y.moment(2);
        squares_ = x.moment(2);
        products_ = cross(y, x, x_block, i, window);
        slope_ = products_ / squares_;
    }

    Vec<double> value(Regression wanted) const {
        const Vec<double> y_level = y_.middle + y_.offset, x_level = x_.middle + x_.offset;
        switch (wanted) {
            case Regression::residual: return (today(y_, y_block_) - slope_ * today(x_, x_block_)) * y_.up;
            case Regression::intercept: return (y_level - slope_ * x_level) * y_.up;
            case Regression::slope: return slope_ * y_.up * x_.down;
            case Regression::fitted: return (y_level + slope_ * today(x_, x_block_)) * y_.up;
            case Regression::errors: return errors() * y_.up * y_.up;
            case Regression::total: return total_ * y_.up * y_.up;
            case Regression::share: {
                const Vec<double> share = products_ * products_ / (total_ * squares_);
                return y_.varies() ? lower(share, splat(1.0)) : splat(kNaN<double>);
            }
            case Regression::variance: return errors() / (n_ - 2.0) * y_.up * y_.up;
            case Regression::slope_error:
                return square_root(errors() / (n_ - 2.0) / squares_) * y_.up * x_.down;
            case Regression::intercept_error:
                return square_root(errors() / (n_ - 2.0) *
                                   (1.0 / n_ + x_level * x_level / squares_)) * y_.up;
        }
        return splat(kNaN<double>);
    }

private:
    // Deviation of today; NaN where today is missing.
    Vec<double> today(const Direct& side, const Block& block) const {
        const Vec<double> v = load(block.values + end_);
        const Vec<double> deviation = v * side.down - side.middle - side.offset;
        if (!block.gaps) return deviation;
        return load(block.present + end_) > 0.0 ? deviation : splat(kNaN<double>);
    }

    // Sum of squared residuals, from the residuals themselves.
    Vec<double> errors() const {
        Vec<double> total{};
        Index j = end_ - (window_ - 1) * kStrip;
        y_.each([&](Vec<double> v, Vec<double> here) {
            const Vec<double> error =
                y_.deviation(v, here) - slope_ * x_.deviation(load(x_block_.values + j), here);
            total += error * error;
            j += kStrip;
        });
        return total;
    }

    const Direct &y_, &x_;
    const Block &y_block_, &x_block_;
    Index end_;
    int window_;
    Vec<double> n_, total_, squares_, products_, slope_;
};

// params: lag of x in rows, what to return.
template <class T>
void ts_regression(const Call<T>& s) {
    const Index lag = static_cast<Index>(s.params[0]);
    const Regression wanted = static_cast<Regression>(static_cast<int>(s.params[1]));
    const int w = s.window, need = std::max(s.min_periods, wanted >= Regression::variance ? 3 : 2);
    for_blocks_of_pairs(s, lag, false, [&](const Block& y, const Block& x, Index first, Index c) {
        write_windows(s, y, first, c, need, [&](Index i, const Count& count, Index) {
            const Direct of_y(y, i, w, count.n), of_x(x, i, w, count.n);
            const Vec<double> value = PairFit(of_y, of_x, y, x, i, w, count.n).value(wanted);
            return of_x.varies() ? value : splat(kNaN<double>);
        });
    });
}

}  // namespace alphamine
