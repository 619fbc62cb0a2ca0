/* Momentum under a constant rate on CSR data at O(nonzeros) a step, with L2 and averages of equal weights. Included by
 * a rule's file after update_loops.h; the rule has one slot, v, and is linear: an untouched coordinate, whose gradient
 * is l2 x, goes from (x, v) to M (x, v). After g steps of rest it is at M^g (x, v), and its iterates have summed to the
 * first row of M + M^2 + ... + M^g. Powers are kept for g = 0..31 and g = 32, 64, ...: two small tables instead of one
 * as long as a window. */

enum { LAZY_SHORT = 32 };

/* M^g and the first row of M + ... + M^g, entry by entry for every lane. */
struct lazy_power {
    double *xx, *xv, *vx, *vv, *sum_x, *sum_v; /* [width] */
};

struct lazy_average {
    size_t begin; /* before this step of the window the average just followed the iterate */
    bool following;
    double shrink, omega; /* mean = shrink * G; every iterate enters G with weight omega */
};

struct lazy_state {
    size_t window, now;
    struct lazy_power *small[2], *large[2]; /* [LAZY_SHORT], [window / LAZY_SHORT + 1]; with and without penalty */
    uint32_t *last;
    const uint32_t *batch;
    size_t batch_size;
    struct lazy_average *average;
    double *rest; /* [6][width]: x, v and sums of one coordinate */
};

static size_t lazy_memory(const struct lane_block *b, size_t window)
{
    size_t powers = 2 * (LAZY_SHORT + window / LAZY_SHORT + 1);
    return powers * (6 * b->width + 6) + 6 * b->width + b->dim + 64 + b->averages * 8;
}

/* c = a b, and the sums of the longer rest. */
static void lazy_multiply(const struct lazy_power *a, const struct lazy_power *b, size_t width, struct lazy_power *c)
{
    for (size_t k = 0; k < width; k++) {
        double xx = s_fma(a->xx[k], b->xx[k], a->xv[k] * b->vx[k]);
        double xv = s_fma(a->xx[k], b->xv[k], a->xv[k] * b->vv[k]);
        double vx = s_fma(a->vx[k], b->xx[k], a->vv[k] * b->vx[k]);
        double vv = s_fma(a->vx[k], b->xv[k], a->vv[k] * b->vv[k]);
        /* first b's steps, then a's from where b ended */
        double sum_x = b->sum_x[k] + s_fma(a->sum_x[k], b->xx[k], a->sum_v[k] * b->vx[k]);
        double sum_v = b->sum_v[k] + s_fma(a->sum_x[k], b->xv[k], a->sum_v[k] * b->vv[k]);
        c->xx[k] = xx;
        c->xv[k] = xv;
        c->vx[k] = vx;
        c->vv[k] = vv;
        c->sum_x[k] = sum_x;
        c->sum_v[k] = sum_v;
    }
}

/* M itself, from the rule: what it does to (1, 0) and (0, 1). */
static void lazy_map(const struct lane_block *b, bool penalized, struct lazy_power *m)
{
    for (size_t k = 0; k < b->width; k += VL) {
        vd param[PARAM_SPACE], slot[SLOT_SPACE];
        for (int q = 0; q < UPDATE_PARAMS; q++)
            param[q] = v_load(b->param[q] + k);
        const vd eta = v_load(b->eta + k), zero = v_set1(0.0), one = v_set1(1.0);
        slot[0] = zero;
        v_store(m->xx + k, apply(param, eta, penalized ? v_load(b->l2 + k) : zero, one, slot));
        v_store(m->vx + k, slot[0]);
        slot[0] = one;
        v_store(m->xv + k, apply(param, eta, zero, zero, slot));
        v_store(m->vv + k, slot[0]);
        v_store(m->sum_x + k, v_load(m->xx + k));
        v_store(m->sum_v + k, v_load(m->xv + k));
    }
}

static struct lazy_power *lazy_powers(size_t count, size_t width, double **lanes, double **other)
{
    struct lazy_power *power = (struct lazy_power *)(void *)*other;
    *other += count * sizeof *power / 8;
    for (size_t g = 0; g < count; g++) {
        double **entry[] = {&power[g].xx, &power[g].xv, &power[g].vx, &power[g].vv, &power[g].sum_x, &power[g].sum_v};
        for (int e = 0; e < 6; e++) {
            *entry[e] = *lanes;
            *lanes += width;
        }
        for (size_t k = 0; k < width; k++)
            power[g].xx[k] = power[g].vv[k] = 1; /* M^0 */
    }
    return power;
}

static void lazy_open(struct lane_block *b, size_t window, double *memory)
{
    const size_t width = b->width, far = window / LAZY_SHORT + 1, powers = 2 * (LAZY_SHORT + far);
    double *lanes = memory, *other = memory + (powers + 1) * 6 * width;
    struct lazy_state *lazy = (struct lazy_state *)(void *)other;
    other += (sizeof *lazy + 7) / 8;
    lazy->average = (struct lazy_average *)(void *)other;
    other += b->averages * ((sizeof *lazy->average + 7) / 8);
    lazy->rest = lanes;
    lanes += 6 * width;
    for (int p = 0; p < 2; p++) {
        lazy->small[p] = lazy_powers(LAZY_SHORT, width, &lanes, &other);
        lazy->large[p] = lazy_powers(far, width, &lanes, &other);
        lazy_map(b, p == 1, &lazy->small[p][1]);
        for (size_t g = 2; g < LAZY_SHORT; g++)
            lazy_multiply(&lazy->small[p][1], &lazy->small[p][g - 1], width, &lazy->small[p][g]);
        if (far > 1)
            lazy_multiply(&lazy->small[p][1], &lazy->small[p][LAZY_SHORT - 1], width, &lazy->large[p][1]);
        for (size_t g = 2; g < far; g++)
            lazy_multiply(&lazy->large[p][1], &lazy->large[p][g - 1], width, &lazy->large[p][g]);
    }
    for (size_t q = 0; q < b->averages; q++)
        lazy->average[q].shrink = 1;
    lazy->last = (uint32_t *)(void *)other;
    lazy->window = window;
    b->lazy = lazy;
}

/* (x, v, sum) -> after g more steps of rest. x, v, sum: [width]. */
static void lazy_rest(const struct lane_block *b, bool penalized, size_t g, double *x, double *v, double *sum)
{
    const struct lazy_state *lazy = b->lazy;
    const struct lazy_power *part[2] = {&lazy->large[penalized][g / LAZY_SHORT],
                                        &lazy->small[penalized][g % LAZY_SHORT]};
    for (int i = 0; i < 2; i++) {
        const struct lazy_power *m = part[i];
        if ((i == 0 ? g / LAZY_SHORT : g % LAZY_SHORT) == 0)
            continue;
        for (size_t k = 0; k < b->width; k += VL) {
            vd x0 = v_load(x + k), v0 = v_load(v + k);
            if (sum)
                v_store(sum + k,
                        v_add(v_load(sum + k), v_fma(v_load(m->sum_x + k), x0, v_mul(v_load(m->sum_v + k), v0))));
            v_store(x + k, v_fma(v_load(m->xx + k), x0, v_mul(v_load(m->xv + k), v0)));
            v_store(v + k, v_fma(v_load(m->vx + k), x0, v_mul(v_load(m->vv + k), v0)));
        }
    }
}

static void lazy_catch_up(struct lane_block *b, size_t j, size_t now)
{
    struct lazy_state *lazy = b->lazy;
    const size_t width = b->width, last = lazy->last[j];
    const bool penalized = j < b->penalized && b->penalty != PENALTY_NONE;
    double *x = b->x + j * width, *v = b->slot[0] + j * width;
    double *rx = lazy->rest, *rv = rx + width, *sum = rv + width;
    for (size_t q = 0; q < b->averages; q++) {
        const struct lazy_average *a = &lazy->average[q];
        const bool fresh = last < a->begin;
        double *mean = b->mean[q] + j * width;
        memcpy(rx, x, width * sizeof *x);
        memcpy(rv, v, width * sizeof *v);
        if (fresh) /* the steps before `begin` do not count */
            lazy_rest(b, penalized, a->begin - 1 - last, rx, rv, NULL);
        memset(sum, 0, width * sizeof *sum);
        lazy_rest(b, penalized, now - (fresh ? a->begin - 1 : last), rx, rv, sum);
        for (size_t k = 0; k < width; k++)
            mean[k] = s_fma(a->omega, sum[k], fresh ? 0 : mean[k]);
    }
    lazy_rest(b, penalized, now - last, x, v, NULL);
    lazy->last[j] = (uint32_t)now;
}

static void lazy_settle(struct lane_block *b)
{
    struct lazy_state *lazy = b->lazy;
    const size_t width = b->width, now = lazy->now;
    for (size_t j = 0; j < b->dim; j++) {
        if (lazy->last[j] != now)
            lazy_catch_up(b, j, now);
        lazy->last[j] = 0;
        for (size_t q = 0; q < b->averages; q++)
            for (size_t k = 0; k < width; k++) {
                double *mean = b->mean[q] + j * width + k;
                *mean = lazy->average[q].following ? b->x[j * width + k] : *mean * lazy->average[q].shrink;
            }
    }
    for (size_t q = 0; q < b->averages; q++) {
        lazy->average[q].shrink = 1;
        lazy->average[q].begin = 0;
        lazy->average[q].omega = 0;
    }
    lazy->now = 0;
}

/* What the iterate that is being made means for each average. */
static void lazy_averages(struct lane_block *b, size_t step)
{
    for (size_t q = 0; q < b->averages; q++) {
        struct lazy_average *a = &b->lazy->average[q];
        const double c = b->mean_gain[q][step];
        a->following = !(c < 1);
        if (a->following) {
            a->begin = b->lazy->now;
            a->shrink = a->omega = 1;
        } else {
            a->shrink *= 1 - c;
            if (!(a->omega > 0)) /* equal weights: c / shrink is the same at every step of a window */
                a->omega = c / a->shrink;
        }
    }
}

/* The step of one coordinate of the batch, which is right up to the step before. */
static void lazy_touch(struct lane_block *b, size_t j, const double *eta, double inverse)
{
    const size_t width = b->width;
    const enum penalty penalty = j < b->penalized ? b->penalty : PENALTY_NONE;
    double *gradient = b->gradient + j * width, *x = b->x + j * width;
    for (size_t k = 0; k < width; k += VL) {
        struct lane_tile t;
        load_tile(b, eta, k, PENALTY_L2, &t, 1);
        vd g = v_mul(v_load(gradient + k), v_set1(inverse));
        if (penalty == PENALTY_NONE)
            apply_at(&t, 0, j * width + k, g, PENALTY_NONE);
        else
            apply_at(&t, 0, j * width + k, g, PENALTY_L2);
        v_store(gradient + k, v_set1(0.0));
    }
    for (size_t q = 0; q < b->averages; q++) {
        const struct lazy_average *a = &b->lazy->average[q];
        double *mean = b->mean[q] + j * width;
        for (size_t k = 0; k < width; k++)
            mean[k] = a->following ? x[k] : s_fma(a->omega, x[k], mean[k]);
    }
    b->lazy->last[j] = (uint32_t)b->lazy->now;
}

static void lazy_advance(struct lane_block *b, size_t count)
{
    struct lazy_state *lazy = b->lazy;
    const struct matrix *a = b->a;
    const size_t width = b->width;
    const uint32_t *index = b->index;
    for (size_t s = 0; s < count; s++) {
        const size_t rows = b->size[s];
        const double *eta = b->eta + s * b->eta_stride;
        for (size_t r = 0; r < rows; r++)
            for (size_t p = a->row[index[r]]; p < a->row[index[r] + 1]; p++)
                if (lazy->last[a->column[p]] != lazy->now)
                    lazy_catch_up(b, a->column[p], lazy->now);
        PER_ISA(kernels).forward(a, index, 0, rows, b->x, width, b->z);
        slopes(b, index, rows);
        /* The batch's gradient on its own coordinates; the rest of b->gradient stays zero. */
        PER_ISA(kernels).backward(a, index, 0, rows, b->z, width, b->gradient);
        const double inverse = 1.0 / (double)rows;
        lazy->now++;
        lazy_averages(b, s);
        for (size_t r = 0; r < rows; r++)
            for (size_t p = a->row[index[r]]; p < a->row[index[r] + 1]; p++)
                if (lazy->last[a->column[p]] != lazy->now) /* else another sample of the batch had it too */
                    lazy_touch(b, a->column[p], eta, inverse);
        lazy->batch = index;
        lazy->batch_size = rows;
        index += rows;
    }
}

static void lazy_touched_norm2(const struct lane_block *b, double *norm2)
{
    const struct lazy_state *lazy = b->lazy;
    sparse_touched_norm2(b->a, lazy->batch, lazy->batch_size, b->x, b->width, 0, NULL,
                         b->factor /* free: lazy forms do not project */, norm2);
}

static const struct lazy_type lazy = {
    .memory = lazy_memory,
    .open = lazy_open,
    .advance = lazy_advance,
    .settle = lazy_settle,
    .touched_norm2 = lazy_touched_norm2,
};
