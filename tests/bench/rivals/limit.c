/* The reference world fused in C: the limit that the kernel is measured against.
 *
 * One pass over the agents of a market draws a belief, makes the act of it and adds it up; nothing is stored.
 * Replications are independent: one call plays `replications` of them, one after the other, in one thread.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LANES 16
#define MOST 64 /* markets */

typedef struct {
    int64_t markets, agents, listeners;
    double base, response, cross, trust, spread, bound, context, alike, error, noise, penalty, keep;
} Town;

/* Numbers that somebody else drew, a tick after the other, or NULL to draw them here. */
typedef struct {
    const double *weather, *conditions, *error, *belief, *noise;
} Dealt;

typedef void (*Fill)(void *generator, ptrdiff_t count, double *out);

/* xoshiro128+ (Blackman & Vigna 2021), one in each lane of a vector. */
typedef uint32_t U __attribute__((vector_size(4 * LANES)));
typedef int32_t I __attribute__((vector_size(4 * LANES)));
typedef float F __attribute__((vector_size(4 * LANES)));

typedef struct {
    U s[4];
} Words;

static void seed_words(Words *w, uint64_t seed) {
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < LANES; k++) { /* splitmix64 */
            uint64_t z = (seed += 0x9E3779B97F4A7C15ull);
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
            w->s[i][k] = (uint32_t)((z ^ (z >> 31)) >> 16) | 1u;
        }
}

static inline U next_words(Words *w) {
    U *s = w->s, out = s[0] + s[3], t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 11) | (s[3] >> 21);
    return out;
}

/* ln x, as cephes' logf (Moshier), without its care for 0, infinity and denormals. */
static inline F ln(F x) {
    I bits = (I)x, exponent = ((bits - 0x3f3504f3) >> 23);
    F m = (F)(bits - (exponent << 23)) - 1.0f, e = __builtin_convertvector(exponent, F), z = m * m;
    F y = 7.0376836292e-2f * m - 1.1514610310e-1f;
    y = y * m + 1.1676998740e-1f;
    y = y * m - 1.2420140846e-1f;
    y = y * m + 1.4249322787e-1f;
    y = y * m - 1.6668057665e-1f;
    y = y * m + 2.0000714765e-1f;
    y = y * m - 2.4999993993e-1f;
    y = y * m + 3.3333331174e-1f;
    return m + (y * m * z - 0.5f * z) + e * 0.69314718056f;
}

static inline F root(F x) {
    F y;
    for (int k = 0; k < LANES; k++) y[k] = sqrtf(x[k]);
    return y;
}

/* Two vectors of standard normals from two of words (Box & Muller 1958), single precision. */
static inline void next_normals(Words *w, F *a, F *b) {
    U u = next_words(w), v = next_words(w);
    F r = root(-2.0f * ln((__builtin_convertvector((I)(u >> 8), F) + 1.0f) * 0x1p-24f));
    /* An angle within an eighth of a turn, and which eighths: the signs and the order of cosine and sine. */
    I eighth = (I)(v >> 30), low = (I)(v & 0x3fffffff) - 0x20000000;
    F x = __builtin_convertvector(low, F) * (1.5707963267949f * 0x1p-30f), z = x * x;
    F sine = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * x + x;
    F cosine = ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z - 0.5f * z + 1.0f;
    I swap = -(eighth & 1), negative = (eighth & 2) << 30;
    I one = ((I)cosine & ~swap) | ((I)sine & swap), other = ((I)sine & ~swap) | ((I)cosine & swap);
    *a = r * (F)(one ^ negative);
    *b = r * (F)(other ^ (swap & 0x80000000) ^ negative);
}

static double one_normal(Words *w) {
    F a, b;
    next_normals(w, &a, &b);
    return a[0];
}

static inline F within(F x, float bound) {
    for (int k = 0; k < LANES; k++) x[k] = fmaxf(-bound, fminf(bound, x[k]));
    return x;
}

/* Adds up the acts of `count` agents of one kind and their squares. */
static void draw_and_add(Words *words, int64_t count, float weight, float pull, float bound, double *sum, double *square) {
    Words w = *words; /* kept in registers */
    F total = {0}, squares = {0}, a, b;
    int64_t done = 0;
    for (; done + 2 * LANES <= count; done += 2 * LANES) {
        next_normals(&w, &a, &b);
        a = within(weight * a + pull, bound);
        b = within(weight * b + pull, bound);
        total += a + b;
        squares += a * a + b * b;
    }
    for (; done < count; done += LANES) {
        next_normals(&w, &a, &b);
        for (int k = 0; k < LANES && done + k < count; k++) {
            float act = fmaxf(-bound, fminf(bound, weight * a[k] + pull));
            total[k] += act;
            squares[k] += act * act;
        }
    }
    *words = w;
    for (int k = 0; k < LANES; k++) {
        *sum += total[k];
        *square += squares[k];
    }
}

static void add(const double *belief, int64_t count, double weight, double pull, double bound, double *sum, double *square) {
    double total = 0, squares = 0;
    for (int64_t i = 0; i < count; i++) {
        double act = fmax(-bound, fmin(bound, weight * belief[i] + pull));
        total += act;
        squares += act * act;
    }
    *sum += total;
    *square += squares;
}

/* Writes the expected outcome, average of the markets, of every tick: `theta[replications][ticks]`; returns the loss, so that nothing
 * can be left out. With `fill` beliefs are drawn a market at a time by somebody else's generator, into `scratch[agents]`. */
double play(const Town *p, int64_t replications, int64_t ticks, uint64_t seed, const Dealt *dealt, Fill fill,
            void *generator, double *scratch, double *theta) {
    int64_t m = p->markets, n = p->agents, heard = p->listeners;
    double loss = 0;
    for (int64_t r = 0; r < replications; r++) {
        Words w;
        seed_words(&w, seed + (uint64_t)r);
        double a[MOST] = {0}, b[MOST] = {0}, c[MOST] = {0}, y[MOST] = {0}, z[MOST] = {0};
        double condition[MOST], reading[MOST], sum[MOST], square[MOST];
        for (int64_t t = 0; t < ticks; t++) {
            double weather = dealt ? dealt->weather[t] : one_normal(&w), all = 0;
            for (int64_t k = 0; k < m; k++) {
                double own = dealt ? dealt->conditions[t * m + k] : one_normal(&w);
                double wrong = dealt ? dealt->error[t * m + k] : one_normal(&w);
                condition[k] = sqrt(p->alike) * weather + sqrt(1 - p->alike) * own;
                reading[k] = condition[k] + p->error * wrong;
                double first = a[k] + p->penalty, last = c[k] + p->penalty, det = first * last - b[k] * b[k];
                double said = (last * y[k] - b[k] * z[k]) / det + (first * z[k] - b[k] * y[k]) / det * reading[k];
                double pull = p->trust * said, calm = p->spread * (1 - p->trust);
                sum[k] = square[k] = 0;
                if (dealt || fill) {
                    const double *belief = scratch;
                    if (dealt)
                        belief = dealt->belief + (t * m + k) * n;
                    else
                        fill(generator, n, scratch);
                    add(belief, heard, calm, pull, p->bound, &sum[k], &square[k]);
                    add(belief + heard, n - heard, p->spread, 0, p->bound, &sum[k], &square[k]);
                } else {
                    draw_and_add(&w, heard, calm, pull, p->bound, &sum[k], &square[k]);
                    draw_and_add(&w, n - heard, p->spread, 0, p->bound, &sum[k], &square[k]);
                }
                all += sum[k] / n;
            }
            double whole = 0;
            for (int64_t k = 0; k < m; k++) {
                double mean = sum[k] / n, others = (all - mean) / (m > 1 ? m - 1 : 1);
                double fundamental = p->base + p->context * condition[k];
                double expected = fundamental + p->response * mean + p->cross * others;
                double met = expected + p->noise * (dealt ? dealt->noise[t * m + k] : one_normal(&w));
                loss += square[k] / n - 2 * fundamental * mean + fundamental * fundamental;
                whole += expected;
                a[k] = p->keep * a[k] + 1;
                b[k] = p->keep * b[k] + reading[k];
                c[k] = p->keep * c[k] + reading[k] * reading[k];
                y[k] = p->keep * y[k] + met;
                z[k] = p->keep * z[k] + reading[k] * met;
            }
            theta[r * ticks + t] = whole / m;
        }
    }
    return loss / m;
}
