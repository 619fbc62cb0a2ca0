/* Chooses the kernels for this CPU. */
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "kernels/isa.h"

extern const struct kernel_set kernels_portable;
#ifdef SGDLAB_X86
extern const struct kernel_set kernels_avx2, kernels_avx512;
#endif

size_t kernels_available(const struct kernel_set *set[3])
{
    size_t count = 0;
#ifdef SGDLAB_X86
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
        set[count++] = &kernels_avx512;
    if (avx2)
        set[count++] = &kernels_avx2;
#endif
    set[count++] = &kernels_portable;
    return count;
}

const struct kernel_set *kernels_active(void)
{
    /* Looked up each time: this is cold, and nothing is kept in a global. */
    const struct kernel_set *set[3];
    size_t count = kernels_available(set);
    const char *wanted = getenv("SGDLAB_KERNEL");
    for (size_t i = 0; wanted && i < count; i++)
        if (strcmp(set[i]->name, wanted) == 0)
            return set[i];
    return set[0];
}

const char *kernel_family(void)
{
    return kernels_active()->family;
}

const char *kernel_isa(void)
{
    return kernels_active()->name;
}
