/* Inside the figure `map`: a metric's last value over two swept numbers. figure_map.c places the cells,
 * figure_map_value.c reads their values, figure_map_limit.c adds what theory says of the largest stable rate,
 * figure_map_table.c and figure_map_script.c write the files. */
#ifndef SGDLAB_FIGURE_MAP_H
#define SGDLAB_FIGURE_MAP_H

#include "figure_internal.h"

enum { NOTE_MAX = 160 };
enum { MAP_RATE, MAP_BATCH, MAP_MOMENTUM, MAP_L2, MAP_AXES };
/* A number that can be an axis. */
struct map_word {
    const char *said, *label;
    enum trait trait; /* which it takes out of the words of a panel */
};
extern const struct map_word map_word[MAP_AXES];
double map_number(const struct cell_columns *columns, size_t word);

/* The swept values of one panel. Where they are spaced neither evenly nor logarithmically, all are equally wide and
 * stand at 0, 1, ... */
enum map_spacing { MAP_LINEAR, MAP_LOG, MAP_ORDINAL };
struct map_axis {
    enum map_spacing spacing;
    size_t count;
    double *value; /* [count], increasing */
    double *edge;  /* [count + 1]: value i lies from edge[i] to edge[i + 1] */
};
/* Sorts the values, drops double ones (value and count are changed), chooses the spacing and makes the edges.
 * STATUS_MEMORY. */
enum status map_axis_make(struct map_axis *axis, struct error *error);
/* Where a value stands; on an ordinal axis between its neighbours, NaN outside of them. */
double map_axis_place(const struct map_axis *axis, double value);

/* Theory's largest stable rate: of the mean square, for plain steps and with momentum, or of full batches. */
enum map_limit { MAP_NO_LIMIT, MAP_MEAN_SQUARE, MAP_MOMENTUM_SQUARE, MAP_GRADIENT, MAP_HEAVY_BALL, MAP_NESTEROV };

/* How a cell is drawn. ABOVE: the median of the last values is more than MAP_FAR times that of the first ones; LEFT:
 * there is no finite median, half of the runs or more have diverged. */
enum map_state { MAP_FINITE, MAP_ABOVE, MAP_LEFT };
#define MAP_FAR 10

struct map_cell {
    const struct figure_cell *cell;
    size_t panel, x, y;
    uint64_t runs, diverged;
    double first, last;          /* medians over the runs (keep: moments: means); INFINITY where they have diverged */
    double epochs;               /* of the last step */
    enum map_state state;        /* of cells with runs */
    bool best, best_rate, drawn; /* of the panel; among those that differ in the rate alone */
};

struct map_panel {
    struct figure_cell words; /* of which its title speaks */
    struct map_axis axis[2];  /* x, y */
    double low, high;         /* of the colours; low > high: there are none */
    enum map_limit limit;
    bool bound;       /* L is a bound of the curvature, not the curvature */
    bool subset;      /* kappa = (n-m)/(m(n-1)), not 1/m */
    double *limit_at; /* the limit at each value of the axis that is not the rate, NaN: none; NULL: no limit */
};

struct figure_map {
    size_t word[2]; /* x, y: of map_word */
    enum metric metric;
    bool log, minimum, maximum; /* colours are logarithmic; small values are better; large ones are */
    struct map_cell *cell;
    size_t cells;
    struct map_panel *panel;
    size_t panels;
    size_t first, count; /* panels of this page */
    bool one_problem;    /* values of all panels compare */
    char note[NOTE_MAX]; /* why a limit is not there; "": nothing to say */
};

/* Fills what cells and panels say of values, and sorts the cells: panel by panel, row by row. */
enum status map_values(struct figure_map *map, const struct figure_request *request, struct error *error);

/* Fills limit and limit_at of all panels. What cannot be had is left out, with map->note. */
enum status map_limits(struct figure_map *map, const struct figure_request *request, struct error *error);

/* STEM.csv and STEM-limit.csv of the page. */
enum status map_write_cells(const struct figure_map *map, const struct output_folder *folder, const char *stem,
                            struct error *error);
enum status map_write_limits(const struct figure_map *map, struct output_folder *folder, const char *stem,
                             struct error *error);

#endif
