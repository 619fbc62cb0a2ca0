/* The power table of a dry run: what each law could decide with the replicates that are asked for. */
#include "power.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "laws/suite.h"
#include "stats.h"

/* The check that is least likely to be confirmed when its law is exactly true. */
static const struct check *weakest(const struct suite *suite, const struct suite_law *law, size_t *weak)
{
    const struct check *worst = &suite->checks.check[law->first];
    *weak = 0;
    for (size_t i = 0; i < law->count; i++) {
        const struct check *check = &suite->checks.check[law->first + i];
        const double power = suite_power(suite, check);
        *weak += power < 0.99;
        if (power < suite_power(suite, worst) ||
            (power == suite_power(suite, worst) &&
             suite_replicates_needed(suite, check) > suite_replicates_needed(suite, worst)))
            worst = check;
    }
    return worst;
}

static const char *title_of(const struct suite_law *law, char text[120])
{
    snprintf(text, 120, "%s%s%s", law->type->title, *law->instance ? ", " : "", law->instance);
    return text;
}

static void print_law(const struct suite *suite, const struct suite_law *law, int width[2])
{
    char title[120];
    size_t weak;
    printf("  %-4s%-*s  %-*s ", law->type->number, width[0], title_of(law, title), width[1],
           suite->experiment[law->experiment].name);
    if (law->failure) {
        printf("%s\n", law->failure);
        return;
    }
    const struct check *check = weakest(suite, law, &weak);
    const double se = check->kind == CHECK_P_VALUE ? check->effect_se : check->se;
    printf("%7zu %9.2g %8.2g %10.4f %12.3g %12.3g\n", law->count, se, check->margin, suite_power(suite, check),
           (double)check->replicates, suite_replicates_needed(suite, check));
    if (weak)
        printf("      %zu of these checks may come out inconclusive; the weakest: %s; %s\n", weak, check->quantity,
               check->instance);
}

int print_power(struct sweep *const *sweep, size_t count)
{
    struct suite *suite;
    struct error error;
    int result = EXIT_FINE;
    if (suite_plan(sweep, count, &suite, &error) != STATUS_OK)
        return command_error(&error);
    int width[2] = {0, (int)strlen("experiment")};
    for (size_t i = 0; i < suite->law_count; i++) {
        char title[120];
        const int wide[2] = {(int)strlen(title_of(&suite->law[i], title)),
                             (int)strlen(suite->experiment[suite->law[i].experiment].name)};
        for (int column = 0; column < 2; column++)
            width[column] = wide[column] > width[column] ? wide[column] : width[column];
    }
    if (suite->law_count > 0) {
        printf("\nPower: %zu checks of laws, z = %.2f. Of each law its weakest check:\n", suite->checks.count,
               suite->checks.count ? stats_z(0.01 / (double)suite->checks.count) : 0.0);
        printf("  %-4s%-*s  %-*s %7s %9s %8s %10s %12s %12s\n", "", width[0], "law", width[1], "experiment", "checks",
               "se", "margin", "P(conf.)", "replicates", "needed");
        for (size_t i = 0; i < suite->law_count; i++) {
            print_law(suite, &suite->law[i], width);
            if (suite->law[i].failure)
                result = EXIT_BAD_INPUT;
        }
        puts(
            "  se and margin: relative for values. P(conf.): probability of \"confirmed\" if the law is exactly true.");
    }
    suite_close(suite);
    return result;
}
