/* Call auctions by a histogram over price levels: the limit for `base/auction.py`.
 *
 * Markets are independent. The price is the lowest level at or below which lie as many limits, of either side, as there are orders to
 * buy; what trades there is the smaller of demand and supply. Orders of a side are `orders` a market, levels at most `MOST`, limits a byte each.
 */
#include <stdint.h>
#include <string.h>

#define MOST 128

/* Orders for one piece each. Two histograms a side, filled in turn, so that equal limits in a row do not wait for each other. */
void auction_of_pieces(int64_t markets, int64_t orders, int64_t levels, const int8_t *buys, const int8_t *sells,
                       int64_t *price, int64_t *volume) {
    for (int64_t m = 0; m < markets; m++, buys += orders, sells += orders) {
        int32_t buy[2][MOST], sell[2][MOST];
        for (int h = 0; h < 2; h++) {
            memset(buy[h], 0, levels * sizeof(int32_t));
            memset(sell[h], 0, levels * sizeof(int32_t));
        }
        int64_t i = 0;
        for (; i + 2 <= orders; i += 2) {
            buy[0][buys[i]]++;
            sell[0][sells[i]]++;
            buy[1][buys[i + 1]]++;
            sell[1][sells[i + 1]]++;
        }
        if (i < orders) {
            buy[0][buys[i]]++;
            sell[0][sells[i]]++;
        }
        int64_t demand = orders, supply = 0, level = 0;
        for (;; level++) {
            int64_t wanted = buy[0][level] + buy[1][level], given = sell[0][level] + sell[1][level];
            supply += given;
            if (orders - demand + wanted + supply >= orders) break;
            demand -= wanted;
        }
        price[m] = level;
        volume[m] = demand < supply ? demand : supply;
    }
}

/* Orders of any size. */
void auction_of_sizes(int64_t markets, int64_t orders, int64_t levels, const int8_t *buys, const int8_t *sells,
                      const double *to_buy, const double *to_sell, int64_t *price, double *volume) {
    for (int64_t m = 0; m < markets; m++, buys += orders, sells += orders, to_buy += orders, to_sell += orders) {
        double buy[MOST], sell[MOST], all = 0;
        memset(buy, 0, levels * sizeof(double));
        memset(sell, 0, levels * sizeof(double));
        for (int64_t i = 0; i < orders; i++) {
            buy[buys[i]] += to_buy[i];
            sell[sells[i]] += to_sell[i];
        }
        for (int64_t level = 0; level < levels; level++) all += buy[level];
        double bought = 0, supply = 0;
        int64_t level = 0;
        for (;; level++) {
            supply += sell[level];
            if (bought + buy[level] + supply >= all || level == levels - 1) break;
            bought += buy[level];
        }
        price[m] = level;
        volume[m] = all - bought < supply ? all - bought : supply;
    }
}
