"""The mobile bundle: a folder that an app can hold, from a photo's pixels to the names of flowers."""
