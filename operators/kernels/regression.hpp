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

template <class T>
inline TimeFit direct_fit(const Direct<T>& direct, int window, Vec<double> n, Vec<double> x) {
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
    const T* x = s.input(0);
    const int w = s.window;
    const double size = w, half = 0.5 * (w + 1.0);
    from_sums<kSquares | kRamps, Finish::plain>(
        s, std::max(s.min_periods, 2),
        [=](const Sums& sums, const Count& count, Index, Index at, Judged& judged) {
            const Vec<double> spread = spread_of(sums, count, judged);
            TimeFit fit{};
            fit.products = sums.ramp - half * sums.x;
            fit.squares = splat(size * (size * size - 1.0) / 12.0);
            fit.age = splat(w - half);
            fit.today = (load_wide(x + at) * size - sums.x) / size;
            fit.spread = spread / size;
            fit.up = splat(1.0);
            fit.varies = spread > 0.0;
            judged.over = emit(fit);
            judged.lost |= count.n != size;
        },
        [=](Index at) {
            TimeFit fit{};
            fit.squares = fit.up = splat(1.0);
            fit.today = load_wide(x + at) - load_wide(x + at);
            return emit(fit);
        },
        [=](const Direct<T>& d, const Count& count, Index at) {
            return emit(direct_fit(d, w, count.n, load_wide(x + at)));
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
template <class T>
class PairFit {
public:
    PairFit(const Direct<T>& y, const Direct<T>& x, const Block<T>& y_block,
            const Block<T>& x_block, Index i, int window, Vec<double> n)
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
    Vec<double> today(const Direct<T>& side, const Block<T>& block) const {
        const Vec<double> v = load_wide(block.values + end_);
        const Vec<double> deviation = v * side.down - side.middle - side.offset;
        if (!block.gaps) return deviation;
        return load_wide(block.present + end_) > 0.0 ? deviation : splat(kNaN<double>);
    }

    // Sum of squared residuals, from the residuals themselves.
    Vec<double> errors() const {
        Vec<double> total{};
        Index j = end_ - (window_ - 1) * kStrip;
        y_.each([&](Vec<double> v, Vec<double> here) {
            const Vec<double> error =
                y_.deviation(v, here) - slope_ * x_.deviation(load_wide(x_block_.values + j), here);
            total += error * error;
            j += kStrip;
        });
        return total;
    }

    const Direct<T> &y_, &x_;
    const Block<T> &y_block_, &x_block_;
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
    for_blocks_of_pairs(s, lag, [&](const Block<T>& y, const Block<T>& x, Index first, Index c) {
        write_windows(s, y, first, c, need, [&](Index i, const Count& count, Index) {
            const Direct<T> of_y(y, i, w, count.n), of_x(x, i, w, count.n);
            const Vec<double> value = PairFit<T>(of_y, of_x, y, x, i, w, count.n).value(wanted);
            return of_x.varies() ? value : splat(kNaN<double>);
        });
    });
}

}  // namespace alphamine
