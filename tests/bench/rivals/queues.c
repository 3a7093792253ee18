/* First come, first served, a customer after the other: the limit for queues.
 *
 * Rows are independent. `server[i]` is the server of customer i, or -1: whichever is free soonest (one queue for all).
 */
#include <stdint.h>

void serve(int64_t rows, int64_t customers, int64_t servers, const double *comes, const int64_t *server, const double *work,
           double *busy_until, double *leaves) {
    for (int64_t r = 0; r < rows; r++, comes += customers, work += customers, leaves += customers, server += customers) {
        double *until = busy_until + r * servers;
        for (int64_t i = 0; i < customers; i++) {
            int64_t at = server[i];
            if (at < 0) {
                at = 0;
                for (int64_t k = 1; k < servers; k++)
                    if (until[k] < until[at]) at = k;
            }
            double begins = until[at] > comes[i] ? until[at] : comes[i];
            leaves[i] = until[at] = begins + work[i];
        }
    }
}
