/* QQ plots: the ordered p-values against their expectation i/(k+1). The scale, -log10, shows the small ones, which
 * matter. The band is that of the order statistics of uniform numbers, Beta(i, k+1-i), point by point. */
#include "laws/qq.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_sort.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "stats.h"

static const double SMALLEST = 1e-16; /* shown for a p-value of 0 */

enum status qq_panel(struct law_figure *figure, const char *title, double *p, size_t count, struct error *error)
{
    double *x = malloc(4 * count * sizeof *x), d, uniform;
    struct panel *panel = law_figure_panel(figure, title, "−log₁₀ p, expected if uniform", "−log₁₀ p, found");
    if (!x || !panel) {
        free(x);
        return error_memory(error, 4 * count * sizeof *x, "a QQ plot");
    }
    double *y = x + count, *low = y + count, *high = low + count;
    stats_uniformity(p, count, &d, &uniform);
    snprintf(panel->text, sizeof panel->text, "%zu p-values\nKolmogorov–Smirnov p = %.2g", count, uniform);
    for (size_t i = 0; i < count; i++) {
        const double a = (double)i + 1, b = (double)(count - i);
        x[i] = -log10(a / (double)(count + 1));
        y[i] = -log10(fmax(p[i], SMALLEST));
        high[i] = -log10(gsl_cdf_beta_Pinv(0.025, a, b));
        low[i] = -log10(gsl_cdf_beta_Pinv(0.975, a, b));
    }
    const double diagonal[2] = {0, x[0]};
    enum status status = panel_series(panel, SERIES_BAND, "95% of uniform p-values", count, x, NULL, low, high, error);
    if (status == STATUS_OK)
        status = panel_series(panel, SERIES_THEORY, "uniform", 2, diagonal, diagonal, NULL, NULL, error);
    if (status == STATUS_OK)
        status = panel_series(panel, SERIES_POINTS, "found", count, x, y, NULL, NULL, error);
    free(x);
    return status;
}
