/* Fully connected networks as models: what the problems mlp and softmax_regression share. */
#ifndef SGDLAB_NETWORK_H
#define SGDLAB_NETWORK_H

#include "kernels/isa.h"
#include "model.h"

/* The parameters of a problem whose model is a network, in this order; a problem without any has no hidden layer and
 * cross-entropy. */
enum { NETWORK_HIDDEN, NETWORK_ACTIVATION, NETWORK_LOSS, NETWORK_INITIALIZATION };
enum network_activation { ACTIVATION_RELU, ACTIVATION_TANH, ACTIVATION_GELU };
enum network_loss { NETWORK_CROSS_ENTROPY, NETWORK_SQUARED };
enum network_initialization { INITIALIZATION_HE, INITIALIZATION_GLOROT };

/* With hidden layers, and without: the latter starts at zeros. */
extern const struct model_type PER_ISA(network_model), PER_ISA(softmax_model);

#endif
