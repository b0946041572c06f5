/* Floating point as printf shows it, rounding modes, mathematics, and jumps that keep registers. */
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

static jmp_buf back;

static void leave(int how)
{
    longjmp(back, how);
}

int main(void)
{
    volatile double one = 1.0, third = one / 3.0, big = 1e300, zero = 0.0;
    printf("%f %.17g %e %a\n", third, third, big, third);
    printf("%g %g %g %g\n", big * big, -big * big, zero / zero, -zero);
    printf("%.3f %.0f %.0f %10.4f|%-10.2f|\n", 2.0005, 0.5, 1.5, M_PI, M_E);
    printf("%.10g %.10g %.10g\n", sin(1.0), exp(2.5), pow(2.0, 0.5));
    printf("%.6Lf %Lg\n", 1.0L / 3.0L, LDBL_MAX);
    float single = 16777217.0f;
    printf("%.1f %g\n", single, FLT_MIN / 2);
    int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    for (int i = 0; i < 4; i++) {
        fesetround(modes[i]);
        printf("%.20f %ld\n", third + 1e-17, lrint(2.5));
    }
    fesetround(FE_TONEAREST);
    feclearexcept(FE_ALL_EXCEPT);
    volatile double inexact = one / 10.0;
    printf("%d %d %g\n", !!fetestexcept(FE_INEXACT), !!fetestexcept(FE_DIVBYZERO), inexact);
    printf("%.15g %ld %g\n", strtod("6.02214076e23", 0), strtol("-0x7f", 0, 0), atof("1e-320"));
    volatile int rounds = 0;
    int how = setjmp(back);
    rounds++;
    if (how < 3)
        leave(how + 1);
    printf("%d jumps, came by %d, %g\n", rounds, how, third * 3);
    return 0;
}
