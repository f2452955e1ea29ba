// The opcode table: one line for each kernel, by the operator's canonical name.
//
// An opcode is a position in this table; Python asks for it by name, so no number is written twice.
#pragma once

#include "cross_section.hpp"
#include "decay.hpp"
#include "elementwise.hpp"
#include "group.hpp"
#include "lookup.hpp"
#include "moments.hpp"
#include "order.hpp"
#include "quantile.hpp"
#include "regression.hpp"
#include "shape.hpp"
#include "shift.hpp"
#include "sorted.hpp"

namespace alphamine {

enum class Cut { cells, columns, rows };  // what the executor may cut a call into

struct Kernel {
    const char* name;
    Cut cut;
    bool literals;   // accepts literals as inputs
    bool unbounded;  // may leave infinities in its output
    void (*single)(const Call<float>&);
    void (*full)(const Call<double>&);
};

#define AM_ENTRY(name, cut, literals, unbounded, function) \
    Kernel { name, cut, literals, unbounded, &function<float>, &function<double> }
#define AM_CELL(name, function) AM_ENTRY(name, Cut::cells, true, false, function)
#define AM_CELL_UNBOUNDED(name, function) AM_ENTRY(name, Cut::cells, true, true, function)
#define AM_SERIES(name, function) AM_ENTRY(name, Cut::columns, false, false, function)
#define AM_SERIES_UNBOUNDED(name, function) AM_ENTRY(name, Cut::columns, false, true, function)
#define AM_DAYS(name, function) AM_ENTRY(name, Cut::rows, false, true, function)

constexpr Kernel kKernels[] = {
    AM_CELL("fill", fill),
    AM_CELL("add", add),
    AM_CELL("subtract", subtract),
    AM_CELL("multiply", multiply),
    AM_CELL("divide", divide),
    AM_CELL("max", max_of),
    AM_CELL("min", min_of),
    AM_CELL_UNBOUNDED("power", power),
    AM_CELL_UNBOUNDED("signed_power", signed_power),
    AM_CELL("abs", abs_of),
    AM_CELL("sign", sign),
    AM_CELL("log", log_of),
    AM_CELL("sqrt", sqrt_of),
    AM_CELL("inverse", inverse),
    AM_CELL("reverse", reverse),
    AM_CELL("if_else", if_else),
    AM_CELL("less", less),
    AM_CELL("less_equal", less_equal),
    AM_CELL("greater", greater),
    AM_CELL("greater_equal", greater_equal),
    AM_CELL("equal", equal),
    AM_CELL("not_equal", not_equal),
    AM_CELL("and", both),
    AM_CELL("or", either),
    AM_CELL("not", negation),
    AM_CELL("is_nan", is_nan),
    AM_CELL("tanh", tanh_of),
    AM_CELL("sigmoid", sigmoid),
    AM_CELL_UNBOUNDED("exp", exp_of),
    AM_CELL("log1p", log1p_of),
    AM_CELL("s_log_1p", s_log_1p),
    AM_CELL("softsign", softsign),
    AM_CELL("floor", floor_of),
    AM_CELL("ceiling", ceiling),
    AM_CELL("round", round_of),
    AM_CELL("fraction", fraction),
    AM_CELL("clamp", clamp),
    AM_CELL("tail", tail),
    AM_CELL("left_tail", left_tail),
    AM_CELL("right_tail", right_tail),
    AM_CELL("purify", purify),
    AM_CELL("to_nan", to_nan),

    AM_SERIES("ts_delay", ts_delay),
    AM_SERIES("ts_delta", ts_delta),
    AM_SERIES("ts_returns", ts_returns),
    AM_SERIES_UNBOUNDED("ts_sum", ts_sum),
    AM_SERIES("ts_mean", ts_mean),
    AM_SERIES_UNBOUNDED("ts_std_dev", ts_std_dev),
    AM_SERIES_UNBOUNDED("ts_zscore", ts_zscore),
    AM_SERIES_UNBOUNDED("ts_av_diff", ts_av_diff),
    AM_SERIES("ts_corr", ts_corr),
    AM_SERIES_UNBOUNDED("ts_covariance", ts_covariance),
    AM_SERIES("ts_min", ts_min),
    AM_SERIES("ts_max", ts_max),
    AM_SERIES_UNBOUNDED("ts_scale", ts_scale),
    AM_SERIES("ts_arg_max", ts_arg_max),
    AM_SERIES("ts_arg_min", ts_arg_min),
    AM_SERIES("ts_rank", ts_rank),
    AM_SERIES_UNBOUNDED("ts_quantile", ts_quantile),
    AM_SERIES("ts_median", ts_median),
    AM_SERIES("ts_percentage", ts_percentage),
    AM_SERIES("ts_decay_linear", ts_decay_linear),
    AM_SERIES("ts_decay_exp_window", ts_decay_exp_window),
    AM_SERIES_UNBOUNDED("ts_slope", ts_slope),
    AM_SERIES_UNBOUNDED("ts_resid", ts_resid),
    AM_SERIES("ts_rsquare", ts_rsquare),
    AM_SERIES_UNBOUNDED("ts_regression", ts_regression),
    AM_SERIES_UNBOUNDED("ts_moment", ts_moment),
    AM_SERIES("ts_skewness", ts_skewness),
    AM_SERIES("ts_kurtosis", ts_kurtosis),
    AM_SERIES_UNBOUNDED("ts_mean_abs_dev", ts_mean_abs_dev),
    AM_SERIES("ts_entropy", ts_entropy),
    AM_SERIES("ts_count", ts_count),
    AM_SERIES_UNBOUNDED("ts_sum_if", ts_sum_if),
    AM_SERIES("ts_count_nans", ts_count_nans),
    AM_SERIES("ts_backfill", ts_backfill),
    AM_SERIES("kth_element", kth_element),
    AM_SERIES("last_diff_value", last_diff_value),
    AM_SERIES("days_from_last_change", days_from_last_change),
    AM_SERIES_UNBOUNDED("ts_product", ts_product),

    AM_DAYS("rank", rank),
    AM_DAYS("zscore", zscore),
    AM_DAYS("scale", scale),
    AM_DAYS("normalize", normalize),
    AM_DAYS("winsorize", winsorize),
    AM_DAYS("quantile", quantile),
    AM_DAYS("truncate", truncate),
    AM_DAYS("one_side", one_side),
    AM_DAYS("scale_down", scale_down),
    AM_DAYS("regression_proj", regression_proj),
    AM_DAYS("regression_neut", regression_neut),
    AM_DAYS("vector_proj", vector_proj),
    AM_DAYS("vector_neut", vector_neut),
    AM_DAYS("group_neutralize", group_neutralize),
    AM_DAYS("group_rank", group_rank),
    AM_DAYS("group_zscore", group_zscore),
    AM_DAYS("group_mean", group_mean),
    AM_DAYS("group_scale", group_scale),
    AM_DAYS("group_count", group_count),
    AM_DAYS("group_sum", group_sum),
    AM_DAYS("group_median", group_median),
    AM_DAYS("group_std_dev", group_std_dev),
};

constexpr int kKernelCount = sizeof(kKernels) / sizeof(kKernels[0]);

}  // namespace alphamine
