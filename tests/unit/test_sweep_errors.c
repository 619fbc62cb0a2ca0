/* What a file may not say: every message has the place of what is wrong, names it, and tells what would be valid. */
#include "sweep_fixture.h"

#define LS "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 100, d: 4}"

Test(sweep_errors, unknown_names)
{
    EXPECT_ERROR(4, 1, BASE "bach_size: 4\n", "unknown key 'bach_size'", "did you mean 'batch_size'?", "sampling");
    EXPECT_ERROR(5, 3, BASE "sweep:\n  bach_size: [4]\n", "unknown setting 'bach_size'", "'batch_size'");
    EXPECT_ERROR(5, 3, BASE "sweep:\n  problm.l2: [4]\n", "unknown setting 'problm'", "'problem'");
    EXPECT_ERROR(5, 3, BASE "sweep:\n  problem.l3: [4]\n", "unknown key of problem least_squares: 'l3'", "l2");
    EXPECT_ERROR(5, 3, BASE "sweep:\n  problem.: [4]\n", "unknown setting");
    EXPECT_ERROR(5, 3, BASE "sweep:\n  momentum.x: [4]\n", "unknown setting 'momentum'");
    EXPECT_ERROR(4, 11, BASE "sampling: reshufle\n", "unknown sampler 'reshufle'", "'reshuffle'", "with_replacement");
    EXPECT_ERROR(4, 18, BASE "sampling: {type: reshufle}\n", "unknown sampler");
    EXPECT_ERROR(4, 12, BASE "sampling: {typ: reshuffle}\n", "unknown key of sampling", "'typ'", "type");
    EXPECT_ERROR(6, 5, BASE "sweep:\n  sampling:\n  - reshufle\n", "unknown sampler");
    EXPECT_ERROR(1, 17,
                 "problem: {type: lest_squares, data: x}\n"
                 "budget: {steps: 5}\n",
                 "unknown problem", "'least_squares'");
    EXPECT_ERROR(1, 50, "problem: {type: least_squares, data: {synthetic: gausian_least_squares}}\n",
                 "unknown synthetic", "'gaussian_least_squares'");
    EXPECT_ERROR(1, 74, "problem: {type: least_squares, data: {synthetic: gaussian_least_squares, m: 3}}\n",
                 "key of the synthetic data gaussian_least_squares", "noise");
    EXPECT_ERROR(3, 37, NO_SCHEDULE "schedule: {type: constant, rate: 1, floor: 0}\n",
                 "unknown key of schedule constant: 'floor'", "rate", "warmup");
    EXPECT_ERROR(3, 28, NO_SCHEDULE "schedule: {type: constant, c: 1}\n", "unknown key of schedule constant: 'c'");
    EXPECT_ERROR(4, 26, BASE "record: {metrics: [loss, gup]}\n", "unknown metric 'gup'", "'gap'", "test_loss");
}

Test(sweep_errors, values)
{
    EXPECT_ERROR(3, 34, NO_SCHEDULE "schedule: {type: constant, rate: -1}\n", "rate is -1, but must be a number > 0");
    EXPECT_ERROR(3, 34, NO_SCHEDULE "schedule: {type: constant, rate: fast}\n", "rate is 'fast', but must be a number");
    EXPECT_ERROR(3, 34, NO_SCHEDULE "schedule: {type: constant, rate: \"1\"}\n", "rate is '1'");
    EXPECT_ERROR(3, 34, NO_SCHEDULE "schedule: {type: constant, rate: [1, 2]}\n", "a list", "belong under sweep");
    EXPECT_ERROR(3, 34, NO_SCHEDULE "schedule: {type: constant, rate: {logspace: [1, 2, 3]}}\n", "belong under sweep");
    EXPECT_ERROR(3, 11, NO_SCHEDULE "schedule: {type: constant}\n", "constant needs rate", "> 0");
    EXPECT_ERROR(3, 11, NO_SCHEDULE "schedule: constant\n", "constant needs rate");
    EXPECT_ERROR(3, 11, NO_SCHEDULE "schedule: {rate: 1}\n", "schedule needs a type");
    EXPECT_ERROR(3, 11, NO_SCHEDULE "schedule: [constant]\n", "a list", "belong under sweep");
    EXPECT_ERROR(3, 18, NO_SCHEDULE "schedule: {type: [constant], rate: 1}\n", "is a name, but here is a list");
    EXPECT_ERROR(1, 1, NO_SCHEDULE, "schedule is missing");
    EXPECT_ERROR(1, 1, "budget: {steps: 5}\n", "problem is missing");
    EXPECT_ERROR(1, 10, "problem: {type: least_squares}\n", "problem needs data");
    EXPECT_ERROR(1, 10, "problem: {data: x}\n", "problem needs a type");
    EXPECT_ERROR(1, 38, "problem: {type: least_squares, data: {n: 4}}\n", "must be a shipped name, a path");
    EXPECT_ERROR(4, 13, BASE "batch_size: 0\n", "batch_size is 0, but must be a whole number >= 1");
    EXPECT_ERROR(4, 13, BASE "batch_size: 1.5\n", "batch_size is 1.5, but must be a whole number");
    EXPECT_ERROR(4, 15, BASE "batch_size: n//4\n", "batch_size", "arithmetic on n");
    EXPECT_ERROR(4, 13, BASE "batch_size: k/4\n", "arithmetic on n");
    EXPECT_ERROR(4, 13, BASE "batch_size: m/4\n", "m is the batch size", "arithmetic on n");
    EXPECT_ERROR(4, 13, BASE "replicates: 2*m\n", "m is not known here");
    EXPECT_ERROR(4, 13, BASE "batch_size: n/(n-n)\n", "batch_size is nan");
    EXPECT_ERROR(4, 13, BASE "batch_size: [1, 2]\n", "a list", "belong under sweep");
    EXPECT_ERROR(4, 12, BASE "batch_size:\n", "batch_size has no value");
    EXPECT_ERROR(5, 23, BASE "sweep:\n  batch_size: [1, 16, x]\n", "arithmetic on n");
    EXPECT_ERROR(4, 13, BASE "last_batch: kep\n", "did you mean 'keep'?", "keep | drop");
    EXPECT_ERROR(4, 13, BASE "replicates: 0\n", "replicates is 0, but must be a whole number >= 1");
    EXPECT_ERROR(4, 13, BASE "replicates: n\n", "n is not known here");
    EXPECT_ERROR(4, 7, BASE "seed: -1\n", "seed is -1");
    EXPECT_ERROR(4, 11, BASE "momentum: 1\n", "momentum is 1, but must be a number >= 0 and < 1");
    EXPECT_ERROR(5, 17, BASE "sweep:\n  momentum: [0, 1.5]\n", "momentum is 1.5");
    EXPECT_ERROR(5, 14, BASE "sweep:\n  momentum: [{type: sgd}]\n", "momentum is a mapping");
    EXPECT_ERROR(4, 38, BASE "update: {type: heavy_ball, momentum: 0.9x}\n", "momentum is '0.9x'");
    EXPECT_ERROR(4, 35, BASE "averaging: {type: tail, fraction: 0}\n", "fraction is 0");
    EXPECT_ERROR(4, 7, BASE "clip: {each: sample}\n", "clip needs norm");
    EXPECT_ERROR(4, 14, BASE "clip: {norm: 0}\n", "norm is 0, but must be a number > 0");
    EXPECT_ERROR(4, 18, BASE "local: {workers: 0}\n", "workers is 0");
    EXPECT_ERROR(4, 18, BASE "record: {points: 1}\n", "points is 1, but must be a whole number >= 2");
    EXPECT_ERROR(4, 30, BASE "record: {points: 5, spacing: lg}\n", "log | linear");
    EXPECT_ERROR(4, 26, BASE "record: {metrics: [loss, x, loss]}\n", "unknown metric 'x'");
    EXPECT_ERROR(4, 26, BASE "record: {metrics: [loss, loss]}\n", "a second time");
    EXPECT_ERROR(4, 19, BASE "record: {metrics: []}\n", "metrics is empty");
    EXPECT_ERROR(1, 93, LS ", l2: -1}\n", "l2 is -1");
    EXPECT_ERROR(1, 100, LS ", intercept: maybe}\n", "true or false");
    EXPECT_ERROR(1, 103,
                 LS ", start: [1, 2, x]}\n"
                    "budget: {steps: 1}\n",
                 "start has the entry 'x'");
    EXPECT_ERROR(1, 96, LS ", start: {normal: 2}}\n", "zeros, {gaussian: S}, optimum");
    EXPECT_ERROR(1, 100, LS ", data_seed: n}\n", "n is not known here");
    EXPECT_ERROR(4, 9, BASE "record: 60\n", "record is '60', but must be a mapping");
}

Test(sweep_errors, lists_of_values)
{
    EXPECT_ERROR(5, 15, BASE "sweep:\n  batch_size: []\n", "an empty list");
    EXPECT_ERROR(5, 19, BASE "sweep:\n  batch_size: [1, [2, 3]]\n", "a list inside the list");
    EXPECT_ERROR(4, 8, BASE "sweep: [1]\n", "sweep must be a mapping");
    EXPECT_ERROR(5, 14, BASE "sweep:\n  batch_size:\n", "batch_size needs a list of values");
    EXPECT_ERROR(5, 26, BASE "sweep:\n  batch_size: {logspace: [1, 2]}\n", "logspace must be [first, last, number");
    EXPECT_ERROR(5, 27, BASE "sweep:\n  batch_size: [{logspace: [0, 2, 3]}]\n", "from one number > 0");
    EXPECT_ERROR(5, 34, BASE "sweep:\n  batch_size: [{logspace: [1, 2, 0]}]\n", "number of values");
    EXPECT_ERROR(5, 3, BASE "sweep:\n  seed: [1, 2]\n", "seed can't be swept");
    EXPECT_ERROR(5, 39, NO_SCHEDULE "sweep:\n  schedule:\n  - {type: step, rate: 1, breaks: [2, 1]}\n",
                 "breaks must increase");
    EXPECT_ERROR(5, 3,
                 BASE "sweep:\n  batch_size: {linspace: [1, 10000, 10000]}\n  problem.l2: {linspace: [0, 1, 10000]}\n",
                 "more than 10000000 cells");
}

Test(sweep_errors, said_twice)
{
    EXPECT_ERROR(6, 3, BASE "batch_size: 4\nsweep:\n  batch_size: [1, 2]\n",
                 "both under sweep and at top level (line 4)");
    EXPECT_ERROR(5, 3, BASE "sweep:\n  schedule.rate: [1, 2]\n", "both under sweep and at top level (line 3)");
    EXPECT_ERROR(5, 3, BASE "sweep:\n  schedule: [{type: linear, rate: 1}]\n", "both under sweep and at top level");
    EXPECT_ERROR(5, 3, BASE "sweep:\n  budget.epochs: [1, 2]\n", "steps and epochs exclude each other");
    EXPECT_ERROR(4, 21, PROBLEM "schedule: {type: constant, rate: 1}\n\nbudget: {epochs: 2, steps: 1}\n",
                 "epochs and steps exclude each other");
    EXPECT_ERROR(5, 1, BASE "update: sgd\nmomentum: 0.5\n", "momentum and update exclude each other");
    EXPECT_ERROR(6, 3, BASE "update: sgd\nsweep:\n  momentum: [0.5]\n",
                 "momentum under sweep and update at top level (line 4) exclude each other");
    EXPECT_ERROR(6, 3, BASE "momentum: 0.5\nsweep:\n  update: [sgd]\n",
                 "update under sweep and momentum at top level (line 4) exclude each other");
    EXPECT_ERROR(6, 3, BASE "momentum: 0.5\nsweep:\n  momentum: [0]\n", "both under sweep and at top level (line 4)");
    EXPECT_ERROR(6, 3, BASE "sweep:\n  momentum: [0.5]\n  update: [sgd]\n", "decide the same setting");
    EXPECT_ERROR(6, 3, BASE "sweep:\n  momentum: [0.5]\n  update.dampening: [0, 0.1]\n", "decide the same setting");
    EXPECT_ERROR(5, 3, NO_SCHEDULE "sweep:\n  schedule: [{type: constant, rate: 1}]\n  schedule.rate: [1, 2]\n",
                 "decide the same setting");
    EXPECT_ERROR(6, 3, BASE "sweep:\n  data_seed: [1, 2]\n  problem.data_seed: [3, 4]\n", "decide the same setting");
    EXPECT_ERROR(3, 41, NO_SCHEDULE "schedule: {type: inverse_time, rate: 1, c: 2, t0: 3}\n", "exclude each other");
    EXPECT_ERROR(4, 1, BASE "schedule: {type: linear, rate: 1}\n", "a second time (first in line 3)");
    EXPECT_ERROR(4, 1, LS ", data_seed: 1}\nbudget: {steps: 1}\nschedule: {type: linear, rate: 1}\ndata_seed: 2\n",
                 "data_seed stands both");
}

Test(sweep_errors, what_makes_no_sense_together)
{
    EXPECT_ERROR(5, 13, BASE "sampling: subset\nbatch_size: 101\n", "batch_size is 101", "subset", "n = 100");
    EXPECT_ERROR(6, 23, BASE "sweep:\n  sampling: [with_replacement, subset]\n  batch_size: [1, 16, 2*n]\n",
                 "batch_size is 200", "n = 100");
    EXPECT_ERROR(6, 13, BASE "sampling: reshuffle\nlast_batch: drop\nbatch_size: 101\n", "needs a full batch");
    EXPECT_ERROR(4, 19, BASE "record: {metrics: [test_loss]}\n", "test_loss needs test samples", "test_fraction");
    EXPECT_ERROR(4, 19,
                 "problem: {type: least_absolute_deviations, data: {synthetic: absolute_deviations}}\n"
                 "budget: {steps: 5}\nschedule: {type: constant, rate: 0.1}\nrecord: {metrics: [sharpness]}\n",
                 "sharpness", "least_absolute_deviations is not twice differentiable");
    EXPECT_ERROR(4, 19, BASE "record: {metrics: [accuracy]}\n", "accuracy needs classes", "least_squares");
    EXPECT_ERROR(1, 10, "problem: {type: lasso, data: {synthetic: gaussian_least_squares}}\nbudget: {steps: 1}\n",
                 "lasso needs l1 > 0");
    EXPECT_ERROR(1, 96, LS ", start: [1, 2]}\nbudget: {steps: 1}\n", "start has 2 entries", "4 coordinates");
    EXPECT_ERROR(1, 96, LS ", start: instanc}\nbudget: {steps: 1}\n", "start is 'instanc'", "instance");
    EXPECT_ERROR(1, 54, "problem: {type: least_squares, intercept: no, start: instance, data: diabetes}\n",
                 "diabetes names no start", "mean_estimation");
    EXPECT_ERROR(3, 11, NO_SCHEDULE "schedule: {type: step, rate: 1}\n", "schedule step needs every", "breaks");
    EXPECT_ERROR(3, 11, NO_SCHEDULE "schedule: {type: step, rate: 1, every: 0}\n", "schedule step needs every");
    EXPECT_ERROR(3, 43, NO_SCHEDULE "schedule: {type: step, rate: 1, every: 5, breaks: [3]}\n",
                 "every and breaks exclude each other");
    EXPECT_ERROR(4, 18, BASE "local: {workers: 33, sync_every: 2}\n", "workers is 33", ">= 1 and <= 32");
    EXPECT_ERROR(4, 8, BASE "draws: 100\n", "draws goes with kind: estimator");
    EXPECT_ERROR(4, 5, BASE "at: optimum\n", "at goes with kind: estimator");
    EXPECT_ERROR(3, 5, PROBLEM "kind: estimator\nat: {type: after}\n", "after needs steps");
    EXPECT_ERROR(3, 26, PROBLEM "kind: estimator\nat: {type: start, steps: 4}\n", "steps goes with type: after");
    EXPECT_ERROR(1, 1, PROBLEM "schedule: {type: constant, rate: 1}\n", "budget is missing");
    EXPECT_ERROR(2, 9, PROBLEM "budget: {}\nschedule: {type: constant, rate: 1}\n", "budget is missing");
    EXPECT_ERROR(3, 50, NO_SCHEDULE "schedule: {type: step, rate: 1, breaks: {epochs: [0.0001, 0.0002]}}\n",
                 "same number of steps");
    EXPECT_ERROR(2, 7, PROBLEM "kind: estimator\nkeep: moments\n", "keep: moments", "keep: runs");
    EXPECT_ERROR(4, 9, BASE "timing: solo\nkeep: moments\n", "timing: solo", "keep: runs");
    EXPECT_ERROR(4, 19, BASE "record: {metrics: [gap, mean_gap]}\naveraging: uniform\n", "mean_gap", "not uniform");
    expect_error_with(NULL, STATUS_NOT_FOUND, 1, 38, "problem: {type: least_squares, data: no_such_data}\n",
                      WORDS("no_such_data"));
}

Test(sweep_errors, other_parts)
{
    EXPECT_ERROR(4, 13, BASE "experiment: a/b\n", "can't name a folder");
    EXPECT_ERROR(4, 13, BASE "experiment: [a]\n", "experiment is a list");
    EXPECT_ERROR(4, 8, BASE "laws: [{expect: confirmed}]\n", "{law: NAME");
    EXPECT_ERROR(4, 11, BASE "figures: [[1]]\n", "a name or a mapping");
    EXPECT_ERROR(4, 11, BASE "figures: [loss_vs_step]\n", "did you mean 'loss_vs_steps'?");
    EXPECT_ERROR(4, 38, BASE "figures: [{figure: loss_vs_steps, x: epoch}]\n", "did you mean 'epochs'?");
    EXPECT_ERROR(4, 38, BASE "figures: [{figure: loss_vs_steps, y: los}]\n", "did you mean 'loss'?");
    EXPECT_ERROR(4, 35, BASE "figures: [{figure: loss_vs_steps, teory: 1/t}]\n", "did you mean 'theory'?");
    EXPECT_ERROR(4, 11, BASE "figures: [{x: steps}]\n", "needs its type");
    EXPECT_ERROR(4, 35, BASE "figures: [{figure: learning_rate, x: steps}]\n", "x goes with the figure loss_vs_steps");
    EXPECT_ERROR(4, 38, BASE "figures: [{figure: loss_vs_steps, x: seconds}]\n", "needs timing: solo");
    EXPECT_ERROR(4, 47, BASE "figures: [{figure: loss_vs_steps, x: [epochs, seconds]}]\n", "needs timing: solo");
    EXPECT_ERROR(4, 38, BASE "figures: [{figure: loss_vs_steps, y: norm2}]\n", "recorded metric 'norm2'", "loss, gap");
    EXPECT_ERROR(4, 39, BASE "figures: [{figure: loss_vs_steps, x: [[1]]}]\n", "a name or a list of them");
    EXPECT_ERROR(4, 11, BASE "figures: [variance_vs_m]\n", "variance_vs_m needs kind: estimator");
    EXPECT_ERROR(4, 10, PROBLEM "kind: estimator\ndraws: 5\nfigures: schedule\n", "schedule needs kind: training");
    sweep_close(must_open(BASE "timing: solo\nfigures: [{figure: loss_vs_steps, x: seconds}]\n"));
    EXPECT_ERROR(4, 20, BASE "independent_over: [bach_size]\n", "unknown setting 'bach_size'", "'batch_size'");
    EXPECT_ERROR(4, 1, BASE "problem.l2: 4\n", "dotted path may stand under sweep");
    EXPECT_ERROR(1, 1, "- 1\n", "must be a mapping");
    EXPECT_ERROR(1, 1, "", "empty");
    EXPECT_ERROR(5, 11, BASE "profiles:\n  quick: {replicate: 3}\n", "unknown key 'replicate'", "'replicates'");
    EXPECT_ERROR(5, 10, BASE "profiles:\n  quick: 3\n", "a profile must be a mapping");
    EXPECT_ERROR(4, 11, BASE "profiles: 3\n", "profiles must be a mapping");
    struct sweep_options options = {.replicates = -1, .profile = "nigth"};
    expect_error_with(&options, STATUS_USAGE, 5, 3, BASE "profiles:\n  night: {replicates: 3}\n",
                      WORDS("unknown profile 'nigth'", "'night'"));
    options = (struct sweep_options){.replicates = -1, .profile = "quick"};
    expect_error_with(&options, STATUS_USAGE, 5, 23, BASE "profiles:\n  quick: {replicates: 0}\n",
                      WORDS("replicates is 0"));
    expect_error_with(&options, STATUS_USAGE, 5, 22, BASE "profiles:\n  quick: {schedule: {rat: 3}}\n",
                      WORDS("unknown key of schedule constant: 'rat'"));
    options = (struct sweep_options){.replicates = 0};
    expect_error_with(&options, STATUS_USAGE, 1, 1, BASE, WORDS("replicates is 0"));
}

static void expect_set_error(const char *set, const char *shown)
{
    const char *list[] = {set};
    struct sweep_options options = {.replicates = -1, .set = list, .set_count = 1};
    struct sweep *sweep;
    struct error error = {0};
    char text[2048];
    cr_expect_eq(open_text(BASE, &options, &sweep, &error), STATUS_USAGE, "%s passed", set);
    error_text(&error, text, sizeof text);
    cr_expect(strstr(text, shown), "%s\nis not in: %s", shown, text);
}

Test(sweep_errors, set)
{
    expect_set_error("batch_size", "--set batch_size: KEY=VALUE[,VALUE...] is expected");
    expect_set_error("=3", "--set =3: KEY=VALUE[,VALUE...] is expected");
    expect_set_error("batch_size=", "KEY=VALUE[,VALUE...] is expected");
    expect_set_error("bach_size=3", "--set bach_size=3:1:1: unknown key 'bach_size'");
    expect_set_error("batch_size=1,x", "--set batch_size=1,x:1:14: batch_size: 'x' is no count");
    expect_set_error("schedule.rate=-1", "--set schedule.rate=-1:1:15: rate is -1");
    expect_set_error("schedule.rat=1", "--set schedule.rat=1:1:1: unknown key of schedule constant: 'rat'");
    expect_set_error("sweep=1", "sweep can't be set");
    expect_set_error("seed=1,2", "seed can't be swept");
    expect_set_error("batch_size=[1", "not valid YAML");
}

/* No text, however damaged, does more than fail with a place or open. */
Test(sweep_errors, damaged_files, .timeout = 200)
{
    static const char text[] = "problem: {type: least_squares, data: {synthetic: mean_estimation, n: 8}}\n"
                               "budget: {epochs: 2}\nindependent_over: [batch_size]\n"
                               "sweep:\n  schedule: [{type: step, rate: {logspace: [1, 2, 2]}, breaks: [1, 2]}]\n"
                               "  batch_size: [1, n/2]\n  momentum: [0, 0.5]\nprofiles: {quick: {seed: 2}}\n";
    char copy[sizeof text];
    struct sweep_options options = {.replicates = -1, .profile = "quick"};
    size_t opened = 0, tried = 0;
    for (size_t i = 0; i + 1 < sizeof text; i += 2) {
        static const char bytes[] = {'\0', '[', '}', ':', ' ', '\n', '9', 'x', '.'};
        for (size_t j = 0; j < sizeof bytes; j++) {
            memcpy(copy, text, sizeof text);
            copy[i] = bytes[j];
            struct sweep *sweep;
            struct error error = {0};
            enum status status = open_text(copy, &options, &sweep, &error);
            cr_expect((status == STATUS_OK) == (sweep != NULL));
            cr_expect(status == STATUS_OK || (error.message[0] && error.status == status && error.file[0]), "%s", copy);
            opened += status == STATUS_OK;
            tried++;
            sweep_close(sweep);
        }
    }
    cr_expect(opened > 0 && opened < tried);
}
