//go:build darwin && cgo

#import <Foundation/Foundation.h>
#import <UserNotifications/UserNotifications.h>
#include "_cgo_export.h"

@interface DrawbridgeNotes : NSObject <UNUserNotificationCenterDelegate>
@end

@implementation DrawbridgeNotes

// Without this, an app whose menu is open shows none.
- (void)userNotificationCenter:(UNUserNotificationCenter *)center
       willPresentNotification:(UNNotification *)notification
         withCompletionHandler:(void (^)(UNNotificationPresentationOptions))done {
	done(UNNotificationPresentationOptionBanner | UNNotificationPresentationOptionList);
}

- (void)userNotificationCenter:(UNUserNotificationCenter *)center
    didReceiveNotificationResponse:(UNNotificationResponse *)response
             withCompletionHandler:(void (^)(void))done {
	// A button's identifier is its number, from 1; that of the note itself is no number: 0.
	drawbridgeNoteClicked((char *)response.notification.request.identifier.UTF8String, response.actionIdentifier.intValue);
	done();
}

@end

static DrawbridgeNotes *delegate; // the center does not keep it
static NSMutableDictionary<NSString *, UNNotificationCategory *> *categories;

// drawbridge_notes_begin returns 0 where there is no bundle. The system asks the
// person, once, whether Drawbridge may. Notes of an earlier run go: nobody would
// hear of a click on them.
int drawbridge_notes_begin(void) {
	if (NSBundle.mainBundle.bundleIdentifier == nil)
		return 0;
	@try {
		UNUserNotificationCenter *center = UNUserNotificationCenter.currentNotificationCenter;
		delegate = [DrawbridgeNotes new];
		categories = [NSMutableDictionary new];
		center.delegate = delegate;
		[center removeAllDeliveredNotifications];
		[center requestAuthorizationWithOptions:UNAuthorizationOptionAlert | UNAuthorizationOptionSound
		                      completionHandler:^(BOOL granted, NSError *error) {}];
	} @catch (NSException *e) {
		return 0;
	}
	return 1;
}

// drawbridge_note_show returns why it could not, to be freed. buttons are labels, one
// a line. It waits for the system, not for a person.
char *drawbridge_note_show(const char *name, const char *title, const char *body, const char *buttons) {
	@autoreleasepool {
		UNUserNotificationCenter *center = UNUserNotificationCenter.currentNotificationCenter;
		UNMutableNotificationContent *content = [UNMutableNotificationContent new];
		content.title = @(title);
		content.body = @(body);
		NSString *labels = @(buttons);
		if (labels.length > 0) {
			NSMutableArray<UNNotificationAction *> *actions = [NSMutableArray new];
			for (NSString *label in [labels componentsSeparatedByString:@"\n"])
				[actions addObject:[UNNotificationAction actionWithIdentifier:@(actions.count + 1).stringValue
				                                                        title:label
				                                                      options:UNNotificationActionOptionAuthenticationRequired]]; // not on a locked screen
			categories[labels] = [UNNotificationCategory categoryWithIdentifier:labels actions:actions intentIdentifiers:@[] options:0];
			[center setNotificationCategories:[NSSet setWithArray:categories.allValues]];
			content.categoryIdentifier = labels;
		}
		__block char *cause = NULL;
		dispatch_semaphore_t done = dispatch_semaphore_create(0);
		[center addNotificationRequest:[UNNotificationRequest requestWithIdentifier:@(name) content:content trigger:nil]
		         withCompletionHandler:^(NSError *error) {
			if (error != nil)
				cause = strdup(error.localizedDescription.UTF8String);
			dispatch_semaphore_signal(done);
		}];
		if (dispatch_semaphore_wait(done, dispatch_time(DISPATCH_TIME_NOW, 5 * NSEC_PER_SEC)) != 0)
			return strdup("the system does not answer");
		return cause;
	}
}

void drawbridge_note_remove(const char *name) {
	[UNUserNotificationCenter.currentNotificationCenter removeDeliveredNotificationsWithIdentifiers:@[ @(name) ]];
}
