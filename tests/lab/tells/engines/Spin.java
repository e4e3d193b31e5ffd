// SPDX-License-Identifier: GPL-2.0-or-later
/** Keeps a JVM compiling: hot loops, and now and then a new one by a lambda. */
public class Spin {
	static long mix(long seed, int times) {
		for (int i = 0; i < times; i++)
			seed = seed * 6364136223846793005L + (seed >>> 7) + i;
		return seed;
	}

	public static void main(String[] args) throws Exception {
		long sum = 0;
		for (int round = 0; ; round++) {
			final int of = round;
			java.util.function.LongUnaryOperator add = x -> x + of;
			for (int i = 0; i < 200; i++)
				sum = add.applyAsLong(mix(sum, 1000));
			if (round % 100 == 20)
				System.out.println("ENGINE java " + sum);
			Thread.sleep(10);
		}
	}
}
