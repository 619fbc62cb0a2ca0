/* Multi-layer perceptrons: fully connected layers, an activation between them, and softmax cross-entropy or half the
 * squared error at the end. */
#include "kernels/network.h"

static const char *const activations[] = {
    [ACTIVATION_RELU] = "relu", [ACTIVATION_TANH] = "tanh", [ACTIVATION_GELU] = "gelu", NULL};
static const char *const losses[] = {[NETWORK_CROSS_ENTROPY] = "cross_entropy", [NETWORK_SQUARED] = "squared", NULL};
static const char *const initializations[] = {[INITIALIZATION_HE] = "he", [INITIALIZATION_GLOROT] = "glorot", NULL};

static const struct param params[] = {
    [NETWORK_HIDDEN] = {.name = "hidden",
                        .kind = PARAM_LIST,
                        .min = 1,
                        .max = 65536,
                        .any_order = true,
                        .help = "units of the hidden layers, from the input on: [64, 32]; none: a linear network"},
    [NETWORK_ACTIVATION] = {.name = "activation",
                            .kind = PARAM_CHOICE,
                            .choices = activations,
                            .help = "of the hidden units; gelu in the form with tanh (Hendrycks and Gimpel 2016)"},
    [NETWORK_LOSS] = {.name = "loss",
                      .kind = PARAM_CHOICE,
                      .choices = losses,
                      .help = "softmax cross-entropy over the classes, or (z - y)^2/2 with one output"},
    [NETWORK_INITIALIZATION] = {.name = "initialization",
                                .kind = PARAM_CHOICE,
                                .choices = initializations,
                                .help = "start: initial draws Gaussian weights of variance 2/in (he) or 2/(in + out) "
                                        "(glorot) and biases zero"},
};

const struct problem_type PER_ISA(problem_mlp) = {
    .method = {.name = "mlp",
               .summary = "a fully connected network, mean over samples: softmax cross-entropy or squared error",
               .revision = 1,
               .params = params,
               .param_count = sizeof params / sizeof *params},
    .task = TASK_MULTICLASS,
    .model = &PER_ISA(network_model),
    .own_bias = true,
};
