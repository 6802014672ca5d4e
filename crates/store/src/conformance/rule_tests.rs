//! Makes the tests of the rules.

/// The tests of [`crate::conformance!`], by noun.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($fresh:ident; $($noun:ident { $($rule:ident)* })*) => {$(
        mod $noun {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    let (store, _keep) = super::$fresh().await;
                    $crate::conformance::$noun::$rule(&$crate::conformance::Fixture::new(store)).await;
                }
            )*
        }
    )*};
}
