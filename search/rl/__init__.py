"""AlphaGen's idea, rebuilt: a policy over tokens that is rewarded for what a pool gains."""
