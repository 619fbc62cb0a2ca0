/* The tables and figures of the laws: laws.csv of all and of each experiment, law_NAME.gp, laws_qq.gp. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "laws/qq.h"
#include "laws/suite.h"
#include "output.h"
#include "text_table.h"

static const char *const columns[] = {"experiment", "law",    "instance",   "quantity", "predicted", "measured",
                                      "se",         "ci_low", "ci_high",    "margin",   "alpha",     "verdict",
                                      "expected",   "agrees", "replicates", "note"};

static void put_check(struct text_table *table, const struct suite *suite, const struct suite_law *law,
                      const struct check *check)
{
    table_text(table, suite->experiment[law->experiment].name);
    table_text(table, law->type->method.name);
    table_text(table, check->instance);
    table_text(table, check->quantity);
    table_real_or_blank(table, check->predicted);
    table_real_or_blank(table, check->measured);
    table_real_or_blank(table, check->kind == CHECK_P_VALUE ? check->effect_se : check->se);
    table_real_or_blank(table, check->ci_low);
    table_real_or_blank(table, check->ci_high);
    table_real(table, check->margin);
    table_real(table, check->alpha);
    table_text(table, verdict_name(check->verdict));
    table_text(table, verdict_name(check->expected));
    table_text(table, agreement_name(check_agreement(check)));
    table_count(table, check->replicates);
    table_text(table, check->note);
    table_end(table);
}

/* experiment < 0: all of them. */
static enum status write_table(const struct suite *suite, const struct output_folder *folder, long experiment,
                               struct error *error)
{
    struct text_table table = {0};
    enum status status = output_file_open(folder, "laws.csv", &table.file, error);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        table_text(&table, columns[i]);
    table_end(&table);
    for (size_t i = 0; i < suite->law_count; i++) {
        const struct suite_law *law = &suite->law[i];
        for (size_t c = 0; (experiment < 0 || law->experiment == (size_t)experiment) && c < law->count; c++)
            put_check(&table, suite, law, &suite->checks.check[law->first + c]);
    }
    return output_file_keep(&table.file, error);
}

static enum status write_experiment(const struct suite *suite, const char *dir, size_t number, struct error *error)
{
    char name[OUTPUT_FOLDER_MAX];
    struct output_folder folder;
    output_folder_name(suite->experiment[number].name, name);
    enum status status = output_folder_open(dir, name, &folder, error);
    if (status != STATUS_OK)
        return status;
    status = write_table(suite, &folder, (long)number, error);
    output_folder_close(&folder); /* the figures' writer opens and locks it itself */
    for (size_t i = 0; status == STATUS_OK && i < suite->law_count; i++) {
        const struct suite_law *law = &suite->law[i];
        if (law->experiment == number && law->figure.count > 0)
            status = law_figure_write(&law->figure, folder.path, law->figure_name, error);
    }
    return status;
}

enum status suite_export(const struct suite *suite, const char *dir, const char *experiment, struct error *error)
{
    struct output_folder folder;
    struct law_figure qq = {0};
    enum status status = STATUS_OK;
    if (suite->experiment_count == 0)
        return STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < suite->experiment_count; i++)
        if (!experiment || strcmp(experiment, suite->experiment[i].name) == 0)
            status = write_experiment(suite, dir, i, error);
    if (status == STATUS_OK)
        status = output_folder_open(dir, NULL, &folder, error);
    if (status != STATUS_OK)
        return status;
    status = write_table(suite, &folder, -1, error);
    output_folder_close(&folder);
    if (status == STATUS_OK)
        status = suite_qq(suite, &qq, error);
    if (status == STATUS_OK && qq.count > 0)
        status = law_figure_write(&qq, dir, SUITE_QQ, error);
    law_figure_free(&qq);
    return status;
}

/* ---- the QQ plot ---- */

enum status suite_qq(const struct suite *suite, struct law_figure *figure, struct error *error)
{
    double *p = malloc((suite->checks.count + 1) * sizeof *p);
    size_t count = 0;
    enum status status = STATUS_OK;
    *figure = (struct law_figure){0};
    if (!p)
        return error_memory(error, suite->checks.count * sizeof *p, "p-values");
    for (size_t i = 0; i < suite->checks.count; i++) {
        const double value = suite_p_value(&suite->checks.check[i]);
        if (isfinite(value))
            p[count++] = value;
    }
    snprintf(figure->title, sizeof figure->title, "Is any exact law off by more than chance?");
    if (count > 0)
        status = qq_panel(figure, "all checks against exact theory", p, count, error);
    free(p);
    return status;
}
