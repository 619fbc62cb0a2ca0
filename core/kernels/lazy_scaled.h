/* Plain SGD on CSR data at O(nonzeros) a step, with L2, proximal L1, any schedule and any averaging. Included by
 * updates/sgd.c after update_loops.h.
 *
 * A penalised coordinate is x_j = s u_j: the L2 decay of all coordinates is one multiplication of s (Shalev-Shwartz et
 * al. 2011, section 2.6; Bottou 2012). Between two touches soft thresholds add up: soft(soft(u, a), b) = soft(u, a +
 * b), in units of u, so a running total B of eta l1/|s| at each step of the window is all that a coordinate needs to
 * catch up (Langford, Li & Zhang 2009; Lipton & Elkan 2015). An average is mean_t = p_t G_t with p_t = prod (1 - c),
 * G_t = sum of omega_t x_t, omega_t = c_t/p_t; while a coordinate rests, G grows by sign(u) sum omega s (|u| - (B -
 * B_0)) over the steps before it reaches zero: differences of the running totals Q = sum omega s and R = sum omega s B.
 * Coordinates without penalty are x_j = u_j, with N = sum omega.
 *
 * Such a difference has few digits left once s is far from what it was when the totals began, so a lane whose s leaves
 * 2^-10 .. 2^10 begins anew, at O(d); with decay eta l2 that is every 7/(eta l2) steps. */
struct lazy_state {
    size_t window, now; /* steps in a window, and since it began */
    bool catch_up;      /* resting coordinates change (l1) or are averaged */
    bool l1;
    double *scale;  /* s [width] */
    double *weight; /* [width]: what a sample adds to penalised coordinates, per unit of its entries */
    uint32_t *last; /* [dim]: the step of the window up to which a coordinate is right */
    const uint32_t *batch;
    size_t batch_size; /* the last step's samples */
    double *threshold; /* B [window + 1][width] */
    struct lazy_average {
        size_t begin; /* before this step of the window the average just followed the iterate */
        bool following;
        bool kept;              /* means of coordinates last right before `begin` hold what counts already */
        double shrink;          /* p */
        double *total, *moment; /* Q, R [window + 1][width] */
        double *plain;          /* N [window + 1] */
    } * average;
};

static size_t lazy_memory(const struct lane_block *b, size_t window)
{
    size_t rows = (window + 1) * b->width;
    return sizeof(struct lazy_state) / 8 + b->averages * sizeof(struct lazy_average) / 8 + 16 + 2 * b->width + b->dim +
           8 + rows + b->averages * (2 * rows + window + 9);
}

static void lazy_open(struct lane_block *b, size_t window, double *memory)
{
    /* Vectors of lanes first: they keep the alignment. */
    const size_t rows = (window + 1) * b->width;
    double *scale = memory, *weight = scale + b->width, *threshold = weight + b->width;
    double *next = threshold + rows, *totals = next;
    next += b->averages * 2 * rows;
    struct lazy_state *lazy = (struct lazy_state *)(void *)next;
    next += (sizeof *lazy + 7) / 8;
    lazy->average = (struct lazy_average *)(void *)next;
    next += b->averages * ((sizeof *lazy->average + 7) / 8);
    for (size_t q = 0; q < b->averages; q++) {
        struct lazy_average *a = &lazy->average[q];
        a->total = totals + 2 * q * rows;
        a->moment = a->total + rows;
        a->plain = next;
        a->shrink = 1;
        next += window + 1;
    }
    lazy->last = (uint32_t *)(void *)next;
    lazy->window = window;
    lazy->l1 = b->penalty == PENALTY_L1_PROXIMAL;
    lazy->catch_up = lazy->l1 || b->averages > 0;
    lazy->scale = scale;
    lazy->weight = weight;
    lazy->threshold = threshold;
    for (size_t k = 0; k < b->width; k++)
        scale[k] = 1;
    b->lazy = lazy;
}

/* The first step that counts for an average of a coordinate last right at step `last`, minus one; *fresh: what its mean
 * holds does not count. */
ALWAYS_INLINE size_t lower_step(const struct lazy_average *a, size_t last, bool *fresh)
{
    *fresh = last < a->begin && !a->kept;
    return last < a->begin ? a->begin - 1 : last;
}

/* One lane of an average while its coordinate's magnitude shrinks: the steps up to `now` at which it is not yet zero.
 */
static double resting_sum(const struct lane_block *b, const struct lazy_average *a, double u, size_t k, size_t last,
                          size_t lower, size_t now)
{
    const double *threshold = b->lazy->threshold;
    const size_t width = b->width;
    const double base = threshold[last * width + k], magnitude = fabs(u);
    size_t low = lower, high = now; /* B does not fall: the last step with B - B_0 < |u| lies in low..high */
    if (!(threshold[high * width + k] - base < magnitude)) {
        while (high - low > 1) {
            size_t middle = low + (high - low) / 2;
            if (threshold[middle * width + k] - base < magnitude)
                low = middle;
            else
                high = middle;
        }
        high = low;
    }
    double total = a->total[high * width + k] - a->total[lower * width + k];
    double moment = a->moment[high * width + k] - a->moment[lower * width + k];
    const double sum = (magnitude + base) * total - moment;
    return u < 0 ? -sum : sum;
}

/* Brings coordinate j up to step `now` of the window. */
static void lazy_catch_up(struct lane_block *b, size_t j, size_t now)
{
    struct lazy_state *lazy = b->lazy;
    const size_t width = b->width, last = lazy->last[j];
    const bool penalized = j < b->penalized;
    double *u = b->x + j * width;
    for (size_t q = 0; q < b->averages; q++) {
        const struct lazy_average *a = &lazy->average[q];
        double *mean = b->mean[q] + j * width;
        bool fresh;
        const size_t lower = lower_step(a, last, &fresh);
        if (lazy->l1 && penalized) {
            for (size_t k = 0; k < width; k++)
                mean[k] = (fresh ? 0 : mean[k]) + resting_sum(b, a, u[k], k, last, lower, now);
            continue;
        }
        const vd plain = v_set1(a->plain[now] - a->plain[lower]);
        for (size_t k = 0; k < width; k += VL) {
            vd total = plain;
            if (penalized)
                total = v_sub(v_load(a->total + now * width + k), v_load(a->total + lower * width + k));
            vd before = fresh ? v_set1(0.0) : v_load(mean + k);
            v_store(mean + k, v_fma(v_load(u + k), total, before));
        }
    }
    if (lazy->l1 && penalized)
        for (size_t k = 0; k < width; k += VL) {
            vd t = v_sub(v_load(lazy->threshold + now * width + k), v_load(lazy->threshold + last * width + k));
            vd v = v_load(u + k);
            v_store(u + k, v_sub(v, v_max(v_min(v, t), v_sub(v_set1(0.0), t))));
        }
    lazy->last[j] = (uint32_t)now;
}

/* One lane begins anew: its means get what its coordinates owe them up to this step, its thresholds are applied, its
 * totals start from zero and its scale from about 1. Only powers of two move from s to u, which changes no bit of an
 * iterate; other lanes do not notice. */
static void lazy_restart(struct lane_block *b, size_t k)
{
    struct lazy_state *lazy = b->lazy;
    const size_t width = b->width, now = lazy->now;
    int exponent;
    const double scale = frexp(lazy->scale[k], &exponent), power = ldexp(1.0, exponent);
    for (size_t q = 0; q < b->averages; q++) {
        struct lazy_average *a = &lazy->average[q];
        for (size_t j = 0; j < b->dim; j++) {
            double *mean = b->mean[q] + j * width, u = b->x[j * width + k];
            bool fresh;
            const size_t lower = lower_step(a, lazy->last[j], &fresh);
            if (fresh)
                memset(mean, 0, width * sizeof *mean);
            if (j < b->penalized && lazy->l1)
                mean[k] += resting_sum(b, a, u, k, lazy->last[j], lower, now);
            else if (j < b->penalized)
                mean[k] = s_fma(u, a->total[now * width + k] - a->total[lower * width + k], mean[k]);
        }
        a->kept = true;
        for (size_t t = 0; t <= now; t++)
            a->total[t * width + k] = a->moment[t * width + k] = 0;
    }
    for (size_t j = 0; j < b->penalized; j++) {
        double *u = &b->x[j * width + k];
        if (lazy->l1) {
            const double t = lazy->threshold[now * width + k] - lazy->threshold[lazy->last[j] * width + k];
            *u -= fmax(fmin(*u, t), -t);
        }
        *u *= power;
    }
    for (size_t t = 0; t <= now; t++)
        lazy->threshold[t * width + k] = 0;
    lazy->scale[k] = scale;
}

/* s of the next step, and what a sample's slope is multiplied with for penalised coordinates (the rest: -eta/b). */
static void lazy_decay(struct lane_block *b, const double *eta)
{
    struct lazy_state *lazy = b->lazy;
    /* Without totals there are no digits to lose, only the range of double. */
    const double most = lazy->catch_up ? 0x1p10 : 0x1p400;
    double *restrict next_scale = lazy->weight; /* free until the backward pass */
    const double *restrict l2 = b->l2, *restrict scale = lazy->scale;
    int unusual = 0; /* one loop that vectorises for the usual step of all lanes */
    for (size_t k = 0; k < b->width; k++) {
        const double factor = s_fma(-eta[k], l2[k], 1.0), next = scale[k] * factor;
        next_scale[k] = next;
        unusual |= !(fabs(factor) >= 0x1p-300) | !(fabs(next) >= 1 / most) | !(fabs(next) <= most);
    }
    if (!unusual) {
        memcpy(lazy->scale, next_scale, b->width * sizeof *next_scale);
        return;
    }
    for (size_t k = 0; k < b->width; k++) {
        double factor = s_fma(-eta[k], l2[k], 1.0);
        /* A factor of zero would lose u; 1e-90 of a coordinate is far below its rounding error. */
        if (fabs(factor) < 0x1p-300)
            factor = 0x1p-300;
        const double next = fabs(lazy->scale[k] * factor);
        if (next < 1 / most || (next > most && isfinite(next)))
            lazy_restart(b, k);
        lazy->scale[k] *= factor;
    }
}

/* Running totals of the step that was just made. */
static void lazy_totals(struct lane_block *b, size_t step, const double *eta)
{
    struct lazy_state *lazy = b->lazy;
    const size_t width = b->width, now = ++lazy->now;
    if (lazy->l1)
        for (size_t k = 0; k < width; k++)
            lazy->threshold[now * width + k] =
                lazy->threshold[(now - 1) * width + k] + eta[k] * b->l1[k] / fabs(lazy->scale[k]);
    for (size_t q = 0; q < b->averages; q++) {
        struct lazy_average *a = &lazy->average[q];
        const double c = b->mean_gain[q][step];
        double omega = 1;
        a->following = !(c < 1);
        if (a->following) {
            a->begin = now;
            a->kept = false;
            a->shrink = 1;
        } else {
            a->shrink *= 1 - c;
            omega = c / a->shrink;
        }
        a->plain[now] = a->plain[now - 1] + omega;
        for (size_t k = 0; k < width; k++) {
            double add = omega * lazy->scale[k];
            a->total[now * width + k] = a->total[(now - 1) * width + k] + add;
            a->moment[now * width + k] = s_fma(add, lazy->threshold[now * width + k], a->moment[(now - 1) * width + k]);
        }
    }
}

/* Where the coordinates without penalty begin among the entries start..end-1 of a row: columns increase, so they come
 * last. */
ALWAYS_INLINE size_t penalized_end(const struct lane_block *b, size_t start, size_t end)
{
    if (b->penalized < b->dim)
        while (end > start && b->a->column[end - 1] >= b->penalized)
            end--;
    return end;
}

/* z[rows][width] for rows index[0..rows-1]: s times the penalised part plus the rest. */
static void lazy_forward(const struct lane_block *b, const uint32_t *index, size_t rows)
{
    const struct matrix *a = b->a;
    const size_t width = b->width;
    const bool scaled = b->penalty != PENALTY_NONE;
    for (size_t r = 0; r < rows; r++) {
        const size_t start = a->row[index[r]], end = a->row[index[r] + 1];
        const size_t split = scaled ? penalized_end(b, start, end) : end;
        double *z = b->z + r * width;
        FOR_LANE_TILES(
            width, sparse_forward_1(a->value + start, a->column + start, split - start, b->x + k, width, z + k, nv));
        if (!scaled)
            continue;
        for (size_t k = 0; k < width; k += VL) {
            vd sum = v_mul(v_load(b->lazy->scale + k), v_load(z + k));
            for (size_t p = split; p < end; p++)
                sum = v_fma(v_set1(a->value[p]), v_load(b->x + a->column[p] * width + k), sum);
            v_store(z + k, sum);
        }
    }
}

/* u[column] += entry * slope * (-eta/b), over s where penalised. */
static void lazy_backward(struct lane_block *b, const uint32_t *index, size_t rows, const double *eta, double inverse)
{
    const struct matrix *a = b->a;
    const struct lazy_state *lazy = b->lazy;
    const size_t width = b->width;
    const bool scaled = b->penalty != PENALTY_NONE;
    for (size_t r = 0; r < rows; r++) {
        double *z = b->z + r * width, *weight = lazy->weight;
        for (size_t k = 0; k < width; k += VL) {
            vd step = v_mul(v_mul(v_load(eta + k), v_set1(-inverse)), v_load(z + k));
            v_store(z + k, step);
            if (scaled)
                v_store(weight + k, v_div(step, v_load(lazy->scale + k)));
        }
        const size_t start = a->row[index[r]], end = a->row[index[r] + 1];
        const size_t split = scaled ? penalized_end(b, start, end) : end;
        FOR_LANE_TILES(width, sparse_backward_1(a->value + start, a->column + start, split - start,
                                                (scaled ? weight : z) + k, width, b->x + k, nv));
        FOR_LANE_TILES(width,
                       sparse_backward_1(a->value + split, a->column + split, end - split, z + k, width, b->x + k, nv));
    }
}

static void lazy_settle(struct lane_block *b)
{
    struct lazy_state *lazy = b->lazy;
    const size_t width = b->width, now = lazy->now;
    for (size_t j = 0; j < b->dim; j++) {
        if (lazy->catch_up && lazy->last[j] != now)
            lazy_catch_up(b, j, now);
        lazy->last[j] = 0;
        double *u = b->x + j * width;
        if (j < b->penalized)
            for (size_t k = 0; k < width; k += VL)
                v_store(u + k, v_mul(v_load(u + k), v_load(lazy->scale + k)));
        for (size_t q = 0; q < b->averages; q++) {
            double *mean = b->mean[q] + j * width;
            for (size_t k = 0; k < width; k++)
                mean[k] = lazy->average[q].following ? u[k] : mean[k] * lazy->average[q].shrink;
        }
    }
    for (size_t k = 0; k < width; k++)
        lazy->scale[k] = 1;
    for (size_t q = 0; q < b->averages; q++) {
        lazy->average[q].shrink = 1;
        lazy->average[q].begin = 0;
    }
    lazy->now = 0;
}

static void prefetch_row(const struct lane_block *b, const uint32_t *next, const uint32_t *after)
{
    const struct matrix *a = b->a;
    const size_t start = a->row[*next], end = a->row[*next + 1];
    if (after)
        __builtin_prefetch(a->row + *after);
    __builtin_prefetch(a->column + start);
    __builtin_prefetch(a->column + end - 1);
    for (size_t p = start; p < end; p += 8)
        __builtin_prefetch(a->value + p);
    __builtin_prefetch(b->y + *next);
}

static void lazy_advance(struct lane_block *b, size_t count)
{
    struct lazy_state *lazy = b->lazy;
    const struct matrix *a = b->a;
    const uint32_t *index = b->index;
    for (size_t s = 0; s < count; s++) {
        const size_t rows = b->size[s];
        const double *eta = b->eta + s * b->eta_stride;
        if (s + 1 < count) /* the samples jump about memory: the next row on its way while this one is worked on */
            prefetch_row(b, index + rows, s + 2 < count ? index + rows + b->size[s + 1] : NULL);
        if (lazy->catch_up)
            for (size_t r = 0; r < rows; r++)
                for (size_t p = a->row[index[r]]; p < a->row[index[r] + 1]; p++)
                    if (lazy->last[a->column[p]] != lazy->now)
                        lazy_catch_up(b, a->column[p], lazy->now);
        /* All slopes are taken at the old iterate before any coordinate moves: z holds the whole batch. */
        lazy_forward(b, index, rows);
        slopes(b, index, rows);
        if (b->penalty != PENALTY_NONE)
            lazy_decay(b, eta);
        lazy_backward(b, index, rows, eta, 1.0 / (double)rows);
        lazy_totals(b, s, eta);
        lazy->batch = index;
        lazy->batch_size = rows;
        index += rows;
    }
}

static void lazy_touched_norm2(const struct lane_block *b, double *norm2)
{
    const struct lazy_state *lazy = b->lazy;
    sparse_touched_norm2(b->a, lazy->batch, lazy->batch_size, b->x, b->width, b->penalized, lazy->scale,
                         b->factor /* free: lazy forms do not project */, norm2);
}

static const struct lazy_type lazy = {
    .any_schedule = true,
    .l1 = true,
    .any_weights = true,
    .memory = lazy_memory,
    .open = lazy_open,
    .advance = lazy_advance,
    .settle = lazy_settle,
    .touched_norm2 = lazy_touched_norm2,
};
