/* One line per method. Included several times with METHOD macros defined by registry.c and kernels/isa.c: no include
 * guard. */
#ifdef PROBLEM
PROBLEM(least_squares)
PROBLEM(logistic_regression)
PROBLEM(linear_svm)
PROBLEM(lasso)
PROBLEM(least_absolute_deviations)
PROBLEM(linear)
PROBLEM(quartic)
PROBLEM(softmax_regression)
PROBLEM(mlp)
#endif
#ifdef SAMPLER
SAMPLER(with_replacement)
SAMPLER(subset)
SAMPLER(reshuffle)
SAMPLER(shuffle_once)
SAMPLER(cyclic)
SAMPLER(full)
#endif
#ifdef SCHEDULE
SCHEDULE(constant)
SCHEDULE(inverse_time)
SCHEDULE(inverse_sqrt)
SCHEDULE(fixed_horizon)
SCHEDULE(step)
SCHEDULE(exponential)
SCHEDULE(linear)
SCHEDULE(polynomial)
SCHEDULE(cosine)
#endif
#ifdef UPDATE
UPDATE(sgd)
UPDATE(heavy_ball)
UPDATE(nesterov)
#endif
#ifdef AVERAGER
AVERAGER(last)
AVERAGER(uniform)
AVERAGER(tail)
AVERAGER(polynomial)
#endif
#ifdef SYNTHETIC
SYNTHETIC(gaussian_least_squares)
SYNTHETIC(logistic_model)
SYNTHETIC(sparse_logistic)
SYNTHETIC(sparse_least_squares)
SYNTHETIC(mean_estimation)
SYNTHETIC(weighted_parabolas)
SYNTHETIC(six_parabolas)
SYNTHETIC(absolute_deviations)
SYNTHETIC(centres)
SYNTHETIC(two_parabolas)
SYNTHETIC(signs)
SYNTHETIC(probit_model)
#endif
#ifdef LAW
LAW(unbiased)
LAW(epoch_bias)
LAW(variance)
LAW(epoch_batches)
LAW(loss_curve)
LAW(floor)
LAW(divergence)
LAW(sqrt_rate)
LAW(strong_rate)
LAW(averaging)
LAW(schedules)
LAW(linear_scaling)
LAW(one_step)
LAW(reshuffling)
LAW(momentum)
LAW(region_of_confusion)
LAW(local_sgd)
LAW(clipping)
LAW(penalty)
LAW(standardizing)
#endif
